-- Create: note a new generation in the indexes, or find the one that an Idempotency-Key has made.
--
-- KEYS[1]  index    zset     id -> created, in ms
-- KEYS[2]  open     zset     the same, of those that may not have ended yet
-- KEYS[3]  owner's  zset     the same, of one owner (the index again where there is none)
-- KEYS[4]  once     string   "body-hash id" of an Idempotency-Key
-- ARGV[1]  id                [2]  created, in ms
-- ARGV[3]  body hash or ''   [4]  seconds that an Idempotency-Key is remembered
-- ARGV[5]  created before this: its record is gone        [6]  seconds that the indexes live
--
-- Returns {} or {body hash, id} of the first request with this key.
must_be_allowed('ZADD', KEYS[1], '1', '')
must_be_allowed('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(1')
must_be_allowed('EXPIRE', KEYS[1], '1')
if ARGV[3] ~= '' then
  local found = redis.call('GET', KEYS[4])
  if found then return {string.match(found, '^(%S+) (%S+)$')} end
  redis.call('SET', KEYS[4], ARGV[3] .. ' ' .. ARGV[1], 'EX', ARGV[4])
end
for i = 1, 3 do
  redis.call('ZADD', KEYS[i], ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. ARGV[5])
  redis.call('EXPIRE', KEYS[i], ARGV[6])
end
return {}
