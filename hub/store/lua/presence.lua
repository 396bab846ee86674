-- Presence: how many listeners each process has on a channel.
--
-- KEYS[3]  presence  hash  process -> "count deadline-ms"
-- ARGV[3]  process     [4]  its count     [5]  milliseconds until its word lapses
--
-- Returns {listeners of the other processes, the channel's last id, its deletions}
local own = redis.call('HGET', KEYS[3], ARGV[3])
local back = put_back(own and string.match(own, '%d+$'), ARGV[5])
if tonumber(ARGV[4]) > 0 then
  redis.call('HSET', KEYS[3], ARGV[3], ARGV[4] .. ' ' .. string.format('%.0f', now_ms + ARGV[5]))
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
else
  redis.call('HDEL', KEYS[3], ARGV[3])
end
local others, all = 0, redis.call('HGETALL', KEYS[3])
for i = 1, #all, 2 do
  local count, deadline = string.match(all[i + 1], '^(%d+) (%d+)$')
  if tonumber(deadline) < now_ms then
    redis.call('HDEL', KEYS[3], all[i])
  elseif all[i] ~= ARGV[3] then
    others = others + count
    if back > 0 then
      local deadline_now = string.format('%.0f', moved(deadline, back))
      redis.call('HSET', KEYS[3], all[i], count .. ' ' .. deadline_now)
    end
  end
end
redis.call('EXPIRE', KEYS[2], ARGV[2])
local state = redis.call('HMGET', KEYS[2], 'last', 'deletions')
return {others, state[1] or '', state[2] or '0'}
