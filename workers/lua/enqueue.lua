-- Enqueue: a job for each id of ARGV that has none. Returns how many were added.
local added = 0
for _, id in ipairs(ARGV) do
  if not entry_of(id) then
    add(id)
    added = added + 1
  end
end
return added
