-- Create: note a new generation in the indexes, or find the one that an Idempotency-Key has made.
--
-- KEYS[1]  index    zset     id -> created, in ms
-- KEYS[2]  open     zset     the same, of those that may not have ended yet
-- KEYS[3]  owner's  zset     the same, of one owner (the index again where there is none)
-- KEYS[4]  once     string   "body-hash id" of an Idempotency-Key
-- KEYS[5]  running  zset     the same, of those who are counted as one and may not have ended yet
-- ARGV[1]  id                [2]  created, in ms
-- ARGV[3]  body hash or ''   [4]  seconds that an Idempotency-Key is remembered
-- ARGV[5]  created before this: its record is gone        [6]  seconds that the indexes live
-- ARGV[7]  how many of KEYS[5] may run at once; 0: any number
--
-- Returns {}, {body hash, id} of the first request with this key, or {'busy'}.
must_be_allowed('ZADD', KEYS[1], '1', '')
must_be_allowed('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(1')
must_be_allowed('EXPIRE', KEYS[1], '1')
must_be_allowed('SET', KEYS[4], '')
if ARGV[3] ~= '' then
  local found = redis.call('GET', KEYS[4])
  if found then return {string.match(found, '^(%S+) (%S+)$')} end
end
local most = tonumber(ARGV[7])
if most > 0 then
  -- Nobody takes an id out of here when it ends: what has ended is not open any more.
  local running = 0
  for _, id in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1)) do
    if not redis.call('ZSCORE', KEYS[2], id) then
      redis.call('ZREM', KEYS[5], id)
    elseif id ~= ARGV[1] then -- this one, where the script is sent again
      running = running + 1
    end
  end
  if running >= most then return {'busy'} end
  redis.call('ZADD', KEYS[5], ARGV[2], ARGV[1])
  redis.call('EXPIRE', KEYS[5], ARGV[6])
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[4], ARGV[3] .. ' ' .. ARGV[1], 'EX', ARGV[4])
end
for i = 1, 3 do
  redis.call('ZADD', KEYS[i], ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. ARGV[5])
  redis.call('EXPIRE', KEYS[i], ARGV[6])
end
return {}
