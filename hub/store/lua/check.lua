-- Check: which commands the connection's user may not run.
--
-- ARGV  commands, each with its words separated by tabs
--
-- Returns the first words of those that are not permitted or not known; nil where Redis cannot be
-- asked (6.2).
if not redis.acl_check_cmd then return nil end
local refused = {}
for _, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, '[^\t]+') do words[#words + 1] = word end
  local known, permitted = pcall(redis.acl_check_cmd, unpack(words))
  if not (known and permitted) then refused[#refused + 1] = words[1] end
end
return refused
