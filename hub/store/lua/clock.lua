-- Redis' clock, and what its being put back does to moments that were written by the clock before.
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- How far the clock was put back since a process said something that counts for `ms`, until `deadline`
-- (nil: it never has). Then what the others said stands in the future, and must move along, or who
-- died meanwhile would count until the clock has caught up.
local function put_back(deadline, ms)
  return math.max(0, tonumber(deadline or 0) - ms - now_ms)
end

-- Another's deadline on the clock of now. One that is not that far ahead was written by this clock.
local function moved(deadline, back)
  return tonumber(deadline) - now_ms > back and tonumber(deadline) - back or tonumber(deadline)
end
