-- Workers: {name, ms that it still counts as alive, jobs in its hands} of each that lives.
--
-- KEYS[3]  workers  zset
local pending = {}
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], GROUP)
for _, consumer in ipairs(consumers.err and {} or consumers) do
  local about = {}
  for i = 1, #consumer, 2 do about[consumer[i]] = consumer[i + 1] end
  pending[about['name']] = about['pending']
end
local found = {}
local alive = redis.call('ZRANGEBYSCORE', KEYS[3], now_ms, '+inf', 'WITHSCORES')
for i = 1, #alive, 2 do
  table.insert(found, {alive[i], alive[i + 1] - now_ms, pending[alive[i]] or 0})
end
return found
