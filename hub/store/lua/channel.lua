-- What every script of a channel needs. It stands in front of each of them when it is loaded.
--
-- KEYS[1]  events   stream   id -> p: id of the event before, n: events so far, b: bytes so far,
--                            f: the whole frame as it goes on the wire
-- KEYS[2]  state    hash     last: newest id ever        n, b: the counters of that event
--                            floor: b in front of the oldest event, or less
--                            deleted, expired: the newest id lost that way
--                            deletions: how often the channel was deleted
--                            end, before_end: the terminal event and the one before it
--                            renewed: when the keys' expiry was last renewed, in milliseconds
-- ARGV[1]  seconds that an event is kept
-- ARGV[2]  seconds that the state is kept

-- Entries older than the history reaches go first, so that nothing below ever sees one.
local function drop_old()
  local oldest_kept = string.format('%.0f-0', math.max(0, now_ms - ARGV[1] * 1000))
  if redis.call('XTRIM', KEYS[1], 'MINID', '=', oldest_kept) > 0 then
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    local lost = oldest and oldest[2][2] or redis.call('HGET', KEYS[2], 'last')
    if lost then redis.call('HSET', KEYS[2], 'expired', lost) end
  end
end
