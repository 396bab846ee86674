-- Revoke: note that a token counts no more, and tell every process.
--
-- KEYS[1]  revoked  zset  jti -> when the token would have ended, in seconds
-- ARGV[1]  the announcing command      [2]  the pub/sub channel
-- ARGV[3]  now, in seconds             [4]  until      [5]  jti
--
-- A token that is named twice is kept until the later of the two.
must_be_allowed('ZADD', KEYS[1], ARGV[4], ARGV[5])
must_be_allowed('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
must_be_allowed(ARGV[1], ARGV[2], '')
redis.call('ZADD', KEYS[1], 'GT', ARGV[4], ARGV[5])
-- Before what is over is removed, which the token may be itself.
local kept = redis.call('ZSCORE', KEYS[1], ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
redis.call(ARGV[1], ARGV[2], kept .. ' ' .. ARGV[5])
return 1
