-- Release: give jobs back so that another worker claims them at once.
--
-- ARGV[1]  consumer          [2]  '1': all that it holds, and the consumer goes
-- ARGV[3] …  entries
--
-- Returns how many were given back.
must_be_allowed('XADD', KEYS[1], '*', 'id', '')
must_be_allowed('HSET', KEYS[2], '', '')
local entries, released = {}, 0
if ARGV[2] == '1' then
  redis.call('ZREM', KEYS[3], ARGV[1]) -- also where nobody has claimed yet, and there is no group
  local held_by_it = redis.pcall('XPENDING', KEYS[1], GROUP, '-', '+', 100000, ARGV[1])
  if held_by_it.err then return 0 end
  for _, pending in ipairs(held_by_it) do entries[#entries + 1] = pending[1] end
else
  for i = 3, #ARGV do entries[#entries + 1] = ARGV[i] end
end
for _, entry in ipairs(entries) do
  if held(entry, ARGV[1]) then
    local found = redis.call('XRANGE', KEYS[1], entry, entry)[1]
    remove(entry)
    if found then
      add(found[2][2])
      released = released + 1
    end
  end
end
if ARGV[2] == '1' then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], GROUP, ARGV[1])
end
return released
