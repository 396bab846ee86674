-- Record: the channel's state, its record and the record's log, as of one moment.
--
-- KEYS[3]  record  hash      [4]  log  string
-- ARGV[3]  '1': the log, too
--
-- Returns {last, n, deletions, deleted, expired, end, before_end, {field, value, …}, log}
local state = redis.call('HMGET', KEYS[2], 'last', 'n', 'deletions', 'deleted', 'expired', 'end', 'before_end')
for i = 1, 7 do state[i] = state[i] or '' end
state[8] = redis.call('HGETALL', KEYS[3])
state[9] = ARGV[3] == '1' and redis.call('GET', KEYS[4]) or ''
return state
