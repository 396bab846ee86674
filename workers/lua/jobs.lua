-- What every script of the jobs needs. It stands in front of each of them when it is loaded.
--
-- KEYS[1]  stream   the jobs: an entry has the generation's id
-- KEYS[2]  entries  hash     id -> its entry in the stream: an id has at most one job
local GROUP = 'workers'

-- The entry of a generation's job, or nil. It is looked up: a stream that was lost and begun anew may
-- have given the entry's name to another.
local function entry_of(id)
  local entry = redis.call('HGET', KEYS[2], id)
  local found = entry and redis.call('XRANGE', KEYS[1], entry, entry)[1]
  return found and found[2][2] == id and entry or nil
end

-- Is `entry` in the hands of `consumer`? A worker whose lease was taken over must not touch it.
local function held(entry, consumer)
  local found = redis.pcall('XPENDING', KEYS[1], GROUP, entry, entry, 1, consumer)
  return not found.err and #found == 1
end

local function remove(entry)
  must_be_allowed('XDEL', KEYS[1], '0-1')
  must_be_allowed('HDEL', KEYS[2], '')
  redis.pcall('XACK', KEYS[1], GROUP, entry)
  redis.call('XDEL', KEYS[1], entry)
end

local function add(id)
  must_be_allowed('HSET', KEYS[2], '', '')
  local entry = redis.call('XADD', KEYS[1], '*', 'id', id)
  redis.call('HSET', KEYS[2], id, entry)
  return entry
end
