-- Record: the channel's state, its record and a part of the record's log, as of one moment.
--
-- KEYS[3]  record  hash      [4]  log  string
-- ARGV[3]  from which byte of the log   [4]  at most so many bytes of it
--      [5…] the fields wanted of the record; none: all
--
-- Returns {last, n, deletions, deleted, expired, end, before_end, {field, value, …}, part, size},
-- `size` being the whole log's.
local state = redis.call('HMGET', KEYS[2], 'last', 'n', 'deletions', 'deleted', 'expired', 'end', 'before_end')
for i = 1, 7 do state[i] = state[i] or '' end
if #ARGV == 4 then
  state[8] = redis.call('HGETALL', KEYS[3])
else
  local names, pairs = {}, {}
  for i = 5, #ARGV do names[#names + 1] = ARGV[i] end
  for i, value in ipairs(redis.call('HMGET', KEYS[3], unpack(names))) do
    if value then
      pairs[#pairs + 1] = names[i]
      pairs[#pairs + 1] = value
    end
  end
  state[8] = pairs
end
local from, most = tonumber(ARGV[3]), tonumber(ARGV[4])
state[9] = most > 0 and redis.call('GETRANGE', KEYS[4], from, from + most - 1) or ''
state[10] = redis.call('STRLEN', KEYS[4])
return state
