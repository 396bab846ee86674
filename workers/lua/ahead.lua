-- Ahead: how many jobs wait before this one. nil where it has none, or a worker has it.
--
-- ARGV[1]  id                [2]  counted at most
local entry = entry_of(ARGV[1])
if not entry then return nil end
local delivered = '0-0'
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
for _, group in ipairs(groups.err and {} or groups) do
  local about = {}
  for i = 1, #group, 2 do about[group[i]] = group[i + 1] end
  if about['name'] == GROUP then delivered = about['last-delivered-id'] end
end
local waiting = redis.call('XRANGE', KEYS[1], '(' .. delivered, entry, 'COUNT', ARGV[2] + 1)
if #waiting == 0 then return nil end
return #waiting - 1
