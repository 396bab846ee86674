-- In front of every script.
--
-- A script that fails in the middle has written half. So what the connection's user may not do is
-- found out before the first write. (Redis 6.2 cannot be asked; there a user may use every pub/sub
-- channel unless somebody has taken that away.)
local function must_be_allowed(command, ...)
  if redis.acl_check_cmd and not redis.acl_check_cmd(command, ...) then
    error({err = "NOPERM this user may not run '" .. command .. "' on '" .. (...) .. "'"})
  end
end
