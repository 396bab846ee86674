-- Enqueue: a job for each id of ARGV that has none. Returns how many were added.
local added = 0
for _, id in ipairs(ARGV) do
  local entry = redis.call('HGET', KEYS[2], id)
  if not entry or #redis.call('XRANGE', KEYS[1], entry, entry) == 0 then
    add(id)
    added = added + 1
  end
end
return added
