-- Counts: {jobs in all, jobs in a worker's hands, workers alive or unwell, totals}.
--
-- KEYS[3]  workers  zset     [4]  totals  hash
local pending = redis.pcall('XPENDING', KEYS[1], GROUP)
return {
  redis.call('XLEN', KEYS[1]),
  pending.err and 0 or pending[1],
  redis.call('ZRANGEBYSCORE', KEYS[3], now_ms, '+inf'),
  redis.call('HGETALL', KEYS[4]),
}
