//! Lua functions: what must happen at once on the server.

/// Sets the idle time of entries that are still this consumer's, and takes away deliveries that were none: `ARGV` is the group,
/// the consumer, the idle time in milliseconds, the number of deliveries to take away, and the ids. An entry that another
/// consumer took over is left alone.
pub(super) const SET_IDLE: &str = r"
for i = 5, #ARGV do
  local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #mine > 0 then
    local deliveries = math.max(0, mine[1][4] - tonumber(ARGV[4]))
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'RETRYCOUNT', deliveries, 'JUSTID')
  end
end
return 0
";

/// Moves an entry to the stream of the dead, with the reason, and ends it: `KEYS` are the stream and that of the dead, `ARGV` the
/// group, the id, the reason, and the maximum length of the stream of the dead.
pub(super) const MOVE_TO_DEAD: &str = r"
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if entry then
  local fields = entry[2]
  if #fields > 4000 then
    fields = {}
  end
  fields[#fields + 1] = 'dead:why'
  fields[#fields + 1] = ARGV[3]
  fields[#fields + 1] = 'dead:entry'
  fields[#fields + 1] = ARGV[2]
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(fields))
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 0
";

/// Adds entries as long as the stream has fewer than its capacity: `ARGV` is the capacity, the number of the latest entries that are
/// looked at first, and for each entry the number of its fields and values, and these. An entry whose `id` one of those has is not
/// added again. Returns the number of entries that the stream has now, and how many of them it had before.
pub(super) const ADD: &str = r"
local known = {}
if tonumber(ARGV[2]) > 0 then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[2])) do
    for field = 1, #entry[2], 2 do
      if entry[2][field] == 'id' then
        known[entry[2][field + 1]] = true
      end
    end
  end
end
local room = tonumber(ARGV[1]) - redis.call('XLEN', KEYS[1])
local at, added, repeated = 3, 0, 0
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  local is_known = false
  for field = at + 1, at + size, 2 do
    is_known = is_known or (ARGV[field] == 'id' and known[ARGV[field + 1]] == true)
  end
  if is_known then
    repeated = repeated + 1
  elseif room > 0 then
    redis.call('XADD', KEYS[1], '*', unpack(ARGV, at + 1, at + size))
    room = room - 1
  else
    break
  end
  at = at + size + 1
  added = added + 1
end
return {added, repeated}
";
