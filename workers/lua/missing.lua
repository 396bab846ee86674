-- Missing: those ids of ARGV that have no job.
local missing = {}
for _, id in ipairs(ARGV) do
  if not entry_of(id) then missing[#missing + 1] = id end
end
return missing
