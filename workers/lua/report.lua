-- Report: what a worker says of itself, until when that counts.
--
-- KEYS[1]  roster  hash: consumer -> until when it counts (ms), a space, JSON
-- ARGV[1]  consumer     [2]  ms that it counts     [3]  JSON; '' forgets the worker
local own = redis.call('HGET', KEYS[1], ARGV[1])
local back = put_back(own and own:match('^%d+'), ARGV[2])
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now_ms + ARGV[2]) .. ARGV[3])
end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local deadline, said = all[i + 1]:match('^(%d+)( .*)$')
  if tonumber(deadline) < now_ms then
    redis.call('HDEL', KEYS[1], all[i])
  elseif back > 0 then
    redis.call('HSET', KEYS[1], all[i], string.format('%.0f', moved(deadline, back)) .. said)
  end
end
redis.call('PEXPIRE', KEYS[1], 86400000)
