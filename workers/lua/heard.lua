-- Heard: a producer gives a sign of life; which ones have been silent for too long.
--
-- KEYS[1]  heard  zset  id -> when its producer was last heard, in ms by Redis' clock
-- ARGV[1]  id that is heard now, '' none     [2]  '1': only if it was never heard before
-- ARGV[3]  ms of silence after which a producer is lost
-- ARGV[4]  how many of the lost are named
-- ARGV[5]  seconds that the set lives on
if ARGV[1] ~= '' then
  must_be_allowed('ZADD', KEYS[1], '1', '')
  must_be_allowed('EXPIRE', KEYS[1], '1')
  if ARGV[2] == '1' then
    redis.call('ZADD', KEYS[1], 'NX', now_ms, ARGV[1])
  else
    redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
  end
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
-- Heard by a clock that was put back since: now, as far as anybody knows.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now_ms, '+inf')) do
  redis.call('ZADD', KEYS[1], now_ms, id)
end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms - ARGV[3], 'LIMIT', 0, ARGV[4])
