-- Finish: a generation has ended, its job goes and is counted, once.
--
-- KEYS[3]  totals   hash     what /metrics tells of the generations
-- ARGV[1]  id      [2]  consumer that must hold the job; '' whoever does
-- ARGV[3] …  pairs of a field of the totals and an amount
--
-- Returns 1, or 0 where there is no such job or another worker holds it.
local entry = entry_of(ARGV[1])
if not entry then return 0 end
if ARGV[2] ~= '' and not held(entry, ARGV[2]) then return 0 end
must_be_allowed('HINCRBYFLOAT', KEYS[3], 'f', '1')
remove(entry)
redis.call('HDEL', KEYS[2], ARGV[1])
for i = 3, #ARGV, 2 do redis.call('HINCRBYFLOAT', KEYS[3], ARGV[i], ARGV[i + 1]) end
return 1
