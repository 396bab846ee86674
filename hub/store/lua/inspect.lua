-- Inspect: {last, oldest, retained}.
drop_old()
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return {redis.call('HGET', KEYS[2], 'last') or '', oldest and oldest[1] or '', redis.call('XLEN', KEYS[1])}
