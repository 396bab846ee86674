-- Append: history, record and announcement in one step, so that their order cannot differ.
--
-- KEYS[3]  producers hash    producer -> "batch:mark first-ms first-seq count": its newest batch here
-- KEYS[4]  answered  string  "body-hash first-ms first-seq count" of an Idempotency-Key
-- KEYS[5]  record    hash    what the channel is about, for its writer
-- KEYS[6]  log       string  grows with the record
-- KEYS[7]  wire id   string  a publisher's own id -> ours
--
-- ARGV[3]  PUBLISH or SPUBLISH      [4]  the announcement's channel
-- ARGV[5]  events kept              [6]  bytes kept
-- ARGV[7]  producer or ''           [8]  its batch, "number:mark": the number grows
-- ARGV[9]  body hash or ''          [10] seconds that an Idempotency-Key is remembered
-- ARGV[11] '1': the last event ends the channel
-- ARGV[12] the publisher's own id or ''
-- ARGV[13] '', 'append' or 'replace': what to do with the log     [14] the text for it
-- ARGV[15] record fields expected, [16] record fields to set; then the pairs of each; then the
--          events' bodies (frames without their id line)
--
-- Returns {'stored' | 'again' | 'answered' | 'reused', first-ms, first-seq, count}
--      or {'refused', field, value found, …}

-- A repetition writes, too, if only an expiry: a WAIT behind it waits for what was written on its own
-- connection, and the first sending may have gone another way.
local function again(word, text)
  redis.call('EXPIRE', KEYS[2], ARGV[2])
  local ms, seq, count = string.match(text, '^%S+ (%d+) (%d+) (%d+)$')
  return {word, ms, seq, count}
end

-- A batch that was sent twice was stored once. This comes before every other check: the first
-- sending may itself have changed what they look at. The same number with another mark is no
-- repetition but a copy of the producer, which has other things to say.
-- Without a producer the record tells: what is expected of it is what this very append changes.
local newest = ARGV[7] ~= '' and redis.call('HGET', KEYS[3], ARGV[7])
if newest then
  local batch = string.match(newest, '^%S+')
  if batch == ARGV[8] then return again('again', newest) end
  if tonumber(string.match(batch, '^%d+')) >= tonumber(string.match(ARGV[8], '^%d+')) then
    return {'refused', 'batch', batch}
  end
end

if ARGV[9] ~= '' then
  local answered = redis.call('GET', KEYS[4])
  if answered then
    local same = string.match(answered, '^%S+') == ARGV[9]
    return again(same and 'answered' or 'reused', answered)
  end
end

local at = 17
local refused = {'refused'}
if ARGV[15] ~= '0' then
  local names = {}
  for i = 1, ARGV[15] do names[i] = ARGV[at + 2 * i - 2] end
  local found = redis.call('HMGET', KEYS[5], unpack(names))
  for i, name in ipairs(names) do
    if (found[i] or '') ~= ARGV[at + 2 * i - 1] then
      table.insert(refused, name)
      table.insert(refused, found[i] or '')
    end
  end
  at = at + 2 * #names
end
local state = redis.call('HMGET', KEYS[2], 'last', 'n', 'b', 'floor', 'end', 'deleted', 'renewed')
if state[5] then
  table.insert(refused, 'end')
  table.insert(refused, state[5])
end
if #refused > 1 then
  if ARGV[7] == '' then redis.call('EXPIRE', KEYS[2], ARGV[2]) end -- a repetition, it may be: `again`
  return refused
end

must_be_allowed('XADD', KEYS[1], '*', 'f', '')
must_be_allowed('XTRIM', KEYS[1], 'MINID', '0')
must_be_allowed('HSET', KEYS[2], 'last', '')
if ARGV[7] ~= '' then must_be_allowed('HSET', KEYS[3], 'p', '') end
must_be_allowed('EXPIRE', KEYS[2], '1')
must_be_allowed(ARGV[3], ARGV[4], '')
if ARGV[9] ~= '' then must_be_allowed('SET', KEYS[4], '', 'EX', '1') end
if ARGV[12] ~= '' then must_be_allowed('SET', KEYS[7], '', 'EX', '1') end
if ARGV[16] ~= '0' or ARGV[13] ~= '' then
  must_be_allowed('HSET', KEYS[5], 'f', '')
  must_be_allowed('APPEND', KEYS[6], '')
  must_be_allowed('SET', KEYS[6], '', 'EX', '1')
  redis.call('XLEN', KEYS[1]) -- raises where the key is another program's
end

local last = state[1] or '0-0'
local n, b, floor = tonumber(state[2] or 0), tonumber(state[3] or 0), tonumber(state[4] or 0)

local fields = {}
for _ = 1, ARGV[16] do
  table.insert(fields, ARGV[at])
  table.insert(fields, ARGV[at + 1])
  at = at + 2
end
local count = #ARGV - at + 1

-- Expiry is renewed, and old entries are looked for, once in a sixtieth of the time and not at each
-- append: the keys live that much longer, and whoever reads drops what is too old.
local slack = math.floor(ARGV[1] / 60)
local since = now_ms - tonumber(state[7] or 0)
local renew = since >= slack * 1000 or since < 0
if count == 0 or ARGV[11] == '1' then renew, slack = true, 0 end
local keep = ARGV[1] + slack

-- The log is written first: it alone may grow beyond what Redis takes as one value, and a refusal must
-- have stored nothing, or the sending again would be taken for one that was carried out.
if ARGV[13] == 'append' then
  local length = redis.call('APPEND', KEYS[6], ARGV[14])
  if renew or length == #ARGV[14] then redis.call('EXPIRE', KEYS[6], keep) end
elseif ARGV[13] == 'replace' then
  redis.call('SET', KEYS[6], ARGV[14], 'EX', keep)
end
if #fields > 0 then
  redis.call('HSET', KEYS[5], unpack(fields))
  if renew then redis.call('EXPIRE', KEYS[5], keep) end
end
if renew and ARGV[16] ~= '0' then redis.call('EXPIRE', KEYS[6], keep) end

-- Ids are handed out here and not by XADD, which forgets the newest one together with its key.
local ms, seq = string.match(last, '(%d+)-(%d+)')
ms, seq = tonumber(ms), tonumber(seq)
if now_ms > ms then ms, seq = now_ms, 0 else seq = seq + 1 end
local first_seq = seq
if count == 0 then return {'stored', string.format('%.0f', ms), string.format('%.0f', first_seq), '0'} end

if renew then
  -- Writes nothing, but is refused when no memory is left. Trimming, which comes next, never is, and
  -- behind a first write Redis refuses none of a script's others.
  redis.call('SETRANGE', KEYS[4], 0, '')
  drop_old()
  if last ~= '0-0' and last ~= state[6] and redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('HSET', KEYS[2], 'expired', last)
  end
end
local frames, prev, before = {}, last, last
for i = at, #ARGV do
  local id = string.format('%.0f-%.0f', ms, seq)
  local frame = 'id: ' .. (ARGV[12] ~= '' and ARGV[12] or id) .. '\n' .. ARGV[i]
  n, b = n + 1, b + #frame
  redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[5], id, 'p', prev,
    'n', string.format('%.0f', n), 'b', string.format('%.0f', b), 'f', frame)
  frames[#frames + 1] = frame
  before, prev = prev, id
  seq = seq + 1
end

-- `floor` is an old figure and too low; only when it says "too much" is the true one looked up.
if b - floor > tonumber(ARGV[6]) then
  local kept = ''
  repeat
    local oldest = redis.call('XRANGE', KEYS[1], kept == '' and '-' or '(' .. kept, '+', 'COUNT', 16)
    for _, entry in ipairs(oldest) do
      floor = tonumber(entry[2][6]) - #entry[2][8]
      if b - floor <= tonumber(ARGV[6]) or entry[1] == prev then
        redis.call('XTRIM', KEYS[1], 'MINID', '=', entry[1])
        oldest = {}
        break
      end
      kept = entry[1]
    end
  until #oldest == 0
  redis.call('HSET', KEYS[2], 'floor', string.format('%.0f', floor))
end

redis.call('HSET', KEYS[2], 'last', prev, 'n', string.format('%.0f', n), 'b', string.format('%.0f', b))
if ARGV[11] == '1' then redis.call('HSET', KEYS[2], 'end', prev, 'before_end', before) end
if renew then
  redis.call('HSET', KEYS[2], 'renewed', string.format('%.0f', now_ms))
  redis.call('EXPIRE', KEYS[1], keep)
  redis.call('EXPIRE', KEYS[2], ARGV[2] + slack)
end

local stored = string.format(' %.0f %.0f %d', ms, first_seq, count)
-- A hash of producers is written to for two minutes; it outlives their last sending.
if ARGV[7] ~= '' and redis.call('HSET', KEYS[3], ARGV[7], ARGV[8] .. stored) == 1 then
  redis.call('EXPIRE', KEYS[3], 300)
end
if ARGV[9] ~= '' then redis.call('SET', KEYS[4], ARGV[9] .. stored, 'EX', ARGV[10]) end
if ARGV[12] ~= '' then redis.call('SET', KEYS[7], prev, 'EX', ARGV[1]) end

redis.call(ARGV[3], ARGV[4], string.format('E %s %s %d %.0f %.0f %s\n', last, prev, count, n,
  clock[1] * 1000000 + clock[2], ARGV[11]) .. table.concat(frames))
return {'stored', string.format('%.0f', ms), string.format('%.0f', first_seq), tostring(count)}
