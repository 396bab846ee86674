-- Delete: the history goes, the ids go on growing, the listeners are told.
--
-- KEYS[3]  record  hash      [4]  log  string      what the channel was about goes, too
-- ARGV[3]  PUBLISH or SPUBLISH      [4]  the announcement's channel
--
-- XTRIM and not DEL: what has happened to the channel must stay provable.
must_be_allowed('XTRIM', KEYS[1], 'MAXLEN', '0')
must_be_allowed('DEL', KEYS[3], KEYS[4])
must_be_allowed('HSET', KEYS[2], 'deleted', '')
must_be_allowed('HINCRBY', KEYS[2], 'deletions', '1')
must_be_allowed('EXPIRE', KEYS[2], '1')
must_be_allowed(ARGV[3], ARGV[4], '')
redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', 0)
redis.call('DEL', KEYS[3], KEYS[4])
local state = redis.call('HMGET', KEYS[2], 'last', 'b')
local last = state[1] or '0-0'
redis.call('HSET', KEYS[2], 'deleted', last, 'floor', state[2] or '0')
local deletions = redis.call('HINCRBY', KEYS[2], 'deletions', 1)
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call(ARGV[3], ARGV[4], string.format('D %s %d\n', last, deletions))
return last
