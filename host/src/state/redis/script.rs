//! What runs inside the server: each script as one step, between which nobody else comes.

/// Compare and set of one slot's keys, answered for each of them.
///
/// ```text
/// KEYS   names
/// ARGV   for each: "1" and the expected value, or "0" and nothing; the new row; its time to live in ms
/// gives  for each: 1 it is written; the value that is there; 0 there is none
/// ```
/// What is written already is written: the answer to a first try may have been lost.
pub(super) const COMPARE_AND_SET: &str = r"
local out = {}
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4
  local row = redis.call('GET', key)
  local value = row and string.sub(row, 9)
  local expected = ARGV[at + 1] == '1' and ARGV[at + 2]
  local new = ARGV[at + 3]
  if value == expected or value == string.sub(new, 9) then
    redis.call('SET', key, new, 'PX', ARGV[at + 4])
    out[i] = 1
  elseif value then
    out[i] = value
  else
    out[i] = 0
  end
end
return out
";

/// A change by a person: all of it, or nothing where a term is not as it was read.
///
/// ```text
/// KEYS   names of terms, then those of prefix, owner and log
/// ARGV   the number of terms; for each: "1" and the expected row, or "0" and nothing; the new row, or
///        nothing to remove it; its time to live in ms
///        then for each entry: "prefix", "owner", "first-owner" or "log", its name, its text
/// gives  how many terms are not as they were read
/// ```
pub(super) const CHANGE: &str = r"
local count = tonumber(ARGV[1])
local prefix, owner, log = KEYS[count + 1], KEYS[count + 2], KEYS[count + 3]
local others = 0
for i = 1, count do
  local at = (i - 1) * 4 + 1
  local expected = ARGV[at + 1] == '1' and ARGV[at + 2]
  if redis.call('GET', KEYS[i]) ~= expected then others = others + 1 end
end
if others > 0 then return others end
for i = 1, count do
  local at = (i - 1) * 4 + 1
  if ARGV[at + 3] == '' then
    redis.call('DEL', KEYS[i])
  else
    redis.call('SET', KEYS[i], ARGV[at + 3], 'PX', ARGV[at + 4])
  end
end
for at = count * 4 + 2, #ARGV, 3 do
  local kind, name, text = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if kind == 'prefix' then redis.call('HSET', prefix, name, text)
  elseif kind == 'owner' then redis.call('HSET', owner, name, text)
  elseif kind == 'first-owner' then redis.call('HSETNX', owner, name, text)
  else redis.call('RPUSH', log, text) end
end
return 0
";

/// Keeps the later of two times.
pub(super) const NEWEST: &str = r"
local known = tonumber(redis.call('GET', KEYS[1]) or '')
if not known or tonumber(ARGV[1]) > known then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
";
