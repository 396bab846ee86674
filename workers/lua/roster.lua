-- Roster: what the workers that live say of themselves, as JSON.
--
-- KEYS[1]  roster  hash: consumer -> until when it counts (ms), a space, JSON
local said = {}
for _, entry in ipairs(redis.call('HVALS', KEYS[1])) do
  local counts_until, json = entry:match('^(%d+) (.*)$')
  if tonumber(counts_until) >= now_ms then
    said[#said + 1] = json
  end
end
return said
