-- Heard: a producer gives a sign of life; which ones have been silent for too long.
--
-- KEYS[1]  heard  zset  id -> when its producer was last heard, in ms by Redis' clock
-- ARGV[1]  id that is heard now, '' none     [2]  '1': only if it was never heard before
-- ARGV[3]  ms of silence after which a producer is lost
-- ARGV[4]  how many of the lost are named
-- ARGV[5]  seconds that the set lives on
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[1] ~= '' then
  must_be_allowed('ZADD', KEYS[1], '1', '')
  must_be_allowed('EXPIRE', KEYS[1], '1')
  if ARGV[2] == '1' then
    redis.call('ZADD', KEYS[1], 'NX', now, ARGV[1])
  else
    redis.call('ZADD', KEYS[1], now, ARGV[1])
  end
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3], 'LIMIT', 0, ARGV[4])
