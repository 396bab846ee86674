-- Tidy: consumers of processes that are long gone and hold nothing.
--
-- ARGV[1]  ms of silence after which a consumer is gone
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], GROUP)
if consumers.err then return 0 end
local gone = 0
for _, consumer in ipairs(consumers) do
  local about = {}
  for i = 1, #consumer, 2 do about[consumer[i]] = consumer[i + 1] end
  if about.pending == 0 and about.idle > tonumber(ARGV[1]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], GROUP, about.name)
    gone = gone + 1
  end
end
return gone
