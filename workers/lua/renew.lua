-- Renew: this worker lives, and so do its leases.
--
-- KEYS[3]  workers  zset     consumer -> until when it counts as alive, in ms
-- ARGV[1]  consumer          [2]  ms that it counts as alive          [3] …  entries
--
-- Returns the entries that are no longer its own.
local back = put_back(redis.call('ZSCORE', KEYS[3], ARGV[1]), ARGV[2])
if back > 0 then
  local all = redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do redis.call('ZADD', KEYS[3], moved(all[i + 1], back), all[i]) end
end
redis.call('ZADD', KEYS[3], now_ms + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. now_ms)

local lost = {}
for i = 3, #ARGV do
  if held(ARGV[i], ARGV[1]) then
    redis.call('XCLAIM', KEYS[1], GROUP, ARGV[1], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
