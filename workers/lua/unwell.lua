-- Unwell: this worker cannot do its work. It does not count as alive, and says why.
--
-- KEYS[3]  workers  zset     as in renew; "! consumer: why" for those that are not well
-- ARGV[1]  consumer          [2]  ms that this counts          [3]  why
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[3], now_ms + ARGV[2], '! ' .. ARGV[1] .. ': ' .. ARGV[3])
return 1
