-- Read: a channel's state and the events after a position, as of one moment.
--
-- KEYS[3]  wire id  string  a publisher's own id -> ours
-- ARGV[3]  the position, '' for the state alone, or '?' to resolve KEYS[3]
-- ARGV[4]  events at most      [5]  bytes after which no more are read
--
-- Returns {last, n, deletions, deleted, expired, end, before_end, position, {id, p, n, f, …}}

drop_old()
local state = redis.call('HMGET', KEYS[2], 'last', 'n', 'deletions', 'deleted', 'expired', 'end', 'before_end')
for i = 1, 7 do state[i] = state[i] or '' end
if state[1] ~= '' then redis.call('EXPIRE', KEYS[2], ARGV[2]) end

local position = ARGV[3]
if position == '?' then position = redis.call('GET', KEYS[3]) or '' end
state[8] = position

local found, bytes, from = {}, 0, position
while position ~= '' and #found < ARGV[4] * 4 and bytes < tonumber(ARGV[5]) do
  local wanted = math.min(16, ARGV[4] - #found / 4)
  local entries = redis.call('XRANGE', KEYS[1], '(' .. from, '+', 'COUNT', wanted)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    found[#found + 1] = entry[1]
    found[#found + 1] = fields[2]
    found[#found + 1] = fields[4]
    found[#found + 1] = fields[8]
    bytes = bytes + #fields[8]
    from = entry[1]
    if bytes >= tonumber(ARGV[5]) then break end
  end
  if #entries < wanted then break end
end
state[9] = found
return state
