-- Missing: those ids of ARGV that have no job.
local missing = {}
for _, id in ipairs(ARGV) do
  local entry = redis.call('HGET', KEYS[2], id)
  if not entry or #redis.call('XRANGE', KEYS[1], entry, entry) == 0 then
    missing[#missing + 1] = id
  end
end
return missing
