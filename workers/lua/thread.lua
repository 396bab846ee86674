-- Thread: add a generation to a conversation, which is made by its first one.
--
-- KEYS[1]  thread   hash     owner, title, created, updated; "turn:<generation>" -> "created parent"
-- KEYS[2]  index    zset     key -> updated, in ms
-- KEYS[3]  owner's  zset     the same, of one owner (the index again where there is none)
-- ARGV[1]  its key           [2]  owner           [3]  generation     [4]  its parent, or ''
-- ARGV[5]  now, in ms        [6]  title           [7]  turns at most  [8]  seconds that it is kept
--
-- Returns 'added', 'again' (it was there), or 'full'.
local turn = 'turn:' .. ARGV[3]
local known = redis.call('HEXISTS', KEYS[1], turn) == 1
if not known and redis.call('HLEN', KEYS[1]) >= ARGV[7] + 4 then return 'full' end
redis.call('HSETNX', KEYS[1], 'owner', ARGV[2])
redis.call('HSETNX', KEYS[1], 'title', ARGV[6])
redis.call('HSETNX', KEYS[1], 'created', ARGV[5])
redis.call('HSETNX', KEYS[1], turn, ARGV[5] .. ' ' .. ARGV[4])
redis.call('HSET', KEYS[1], 'updated', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[8])
for i = 2, 3 do
  redis.call('ZADD', KEYS[i], ARGV[5], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ARGV[5] - ARGV[8] * 1000)
  redis.call('EXPIRE', KEYS[i], ARGV[8])
end
return known and 'again' or 'added'
