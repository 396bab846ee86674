-- Take over: jobs whose leases have lapsed.
--
-- KEYS[3]  polled   hash     last: when somebody asked, quiet: nothing is lapsed before, in ms
-- ARGV[1]  consumer          [2]  ms without renewal after which a lease has lapsed
-- ARGV[3]  jobs at most
-- ARGV[4]  ms in which nobody has asked: so long Redis was away, or its clock was put forward, and
--          nobody could renew
-- ARGV[5]  ms that they then have to do so
--
-- Returns {entry, id, …}. (Not XAUTOCLAIM: it looks at the first ten entries for each one wanted,
-- and those are the longest running, not the lapsed ones.)
local polled = redis.call('HMGET', KEYS[3], 'last', 'quiet')
redis.call('HSET', KEYS[3], 'last', now_ms)
local quiet = tonumber(polled[2] or 0)
local back = put_back(polled[1], 0) > tonumber(ARGV[5])
if back then
  -- Redis counts a lease from when it was renewed, and would wait until the clock is there again.
  for _, pending in ipairs(redis.pcall('XPENDING', KEYS[1], GROUP, '-', '+', 100000)) do
    redis.call('XCLAIM', KEYS[1], GROUP, pending[2], 0, pending[1], 'JUSTID')
  end
end
if back or polled[1] and now_ms - polled[1] > tonumber(ARGV[4]) then
  quiet = now_ms + ARGV[5]
  redis.call('HSET', KEYS[3], 'quiet', quiet)
end
if now_ms < quiet then return {} end

local lapsed = redis.pcall('XPENDING', KEYS[1], GROUP, 'IDLE', ARGV[2], '-', '+', ARGV[3])
if lapsed.err then return {} end
local taken = {}
for _, pending in ipairs(lapsed) do
  local entry = redis.call('XCLAIM', KEYS[1], GROUP, ARGV[1], 0, pending[1])[1]
  if entry and entry[2] then
    taken[#taken + 1] = entry[1]
    taken[#taken + 1] = entry[2][2]
  else
    redis.call('XACK', KEYS[1], GROUP, pending[1])
  end
end
return taken
