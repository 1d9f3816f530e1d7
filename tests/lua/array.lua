local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

-- shape, values, views
local a = cn.array.new{ { 1.25, -2.5, 3.75 }, { 4.5, 5.125, -6.0625 } }
assert(#a == 2 and a:shape()[1] == 2 and a:shape()[2] == 3 and #a:shape() == 2)
assert(a[2][3] == -6.0625 and a[1][1] == 1.25)
assert(#a:data() == 6 and a:data()[4] == 4.5)
assert(a:min() == -6.0625 and a:max() == 5.125)
assert(math.abs(a:mean() - (1.25 - 2.5 + 3.75 + 4.5 + 5.125 - 6.0625) / 6) < 1e-15)
assert(a.precision == "f64")
local row = a[2]
row[1] = 17.5
assert(a[2][1] == 17.5, "a view shares the memory")
a[1] = { 7, 8, 9.5 }
assert(a[1][3] == 9.5)
local r = a:reshape{ 3, 2 }
assert(r[3][2] == -6.0625)
a = nil
collectgarbage()
assert(row[1] == 17.5 and r[1][2] == 8, "a view keeps what it looks into")

-- statistics leave NaN out and count it
local n = cn.array.new{ 2.5, 0 / 0, 4.5 }
assert(n:nans() == 1 and n:mean() == 3.5 and n:min() == 2.5)
assert(tostring(n):find "1 NaN" and tostring(n):find "array 3 f64")

-- f32 rounds, f64 does not
local third = 1 / 3
local s = cn.array.new({ third, 2 }, { 2, 1 }, "f32")
assert(s[1][1] ~= third and math.abs(s[1][1] - third) < 1e-7 and s.precision == "f32")
s[1][1] = third
assert(s[1][1] ~= third, "setting rounds too")

-- equality is of shape and bits
assert(cn.array.new{ 1, 2 } == cn.array.new{ 1, 2 })
assert(cn.array.new{ 1, 2 } ~= cn.array.new{ 1, 2.5 })
assert(cn.array.new{ 1, 2 } ~= cn.array.new{ { 1, 2 } })
assert(cn.array.new{ 1, 2.5 }:difference{ 1.5, 2.25 } == 0.5)
local c = r:copy()
c[1][1] = 99
assert(r[1][1] ~= 99)

-- files
local path = os.tmpname()
r:save(path)
assert(cn.array.load(path) == r)
s:save(path)
local back = cn.array.load(path)
assert(back == s and back.precision == "f32")
local file = assert(io.open(path, "wb"))
file:write "\x93NUMPY\1\0"
file:close()
refuses(path, cn.array.load, path)
os.remove(path)
refuses(path, cn.array.load, path)
refuses("/nowhere/", r.save, r, "/nowhere/a.npy")

-- what cannot be
refuses("at depth 2 one list has 2 entries, the first 1", cn.array.new, { { 1 }, { 1, 2 } })
refuses("entry 2 at depth 1 is a string where a number belongs", cn.array.new, { 1, "x" })
refuses("must be an array or a table of numbers, not a string", cn.array.new, "1")
refuses("must be an array or a table of numbers, not nothing", cn.array.new)
refuses("3 values do not fill a shape of 4", cn.array.new, { 1, 2, 3 }, { 2, 2 })
refuses("\"shape\" is -1; it must be at least 0", cn.array.zeros, { -1 })
refuses("too many values", cn.array.zeros, { 1 << 40, 1 << 40 })
refuses("the precision must be \"f32\" or \"f64\", not f16", cn.array.new, { 1 }, nil, "f16")
refuses("beyond the first extent, 2", function() return row:reshape{ 1, 3 }[1]:reshape{ 3 }, r[1][3] end)
refuses("\"index\" is 0; it must be at least 1", function() return row[0] end)
refuses("must be a whole number", function() return row[1.5] end)
refuses("the array has 6 values, the shape asks for 8", r.reshape, r, { 2, 4 })
refuses("shapes differ: 3 x 2 and 2", r.difference, r, { 1, 2 })
refuses("has no field \"shpae\"; nearest is \"shape\"", function() return r.shpae end)
refuses("a row of this array has 2 values, not 3", function() r[1] = { 1, 2, 3 } end)
do
    local closed <close> = cn.array.zeros{ 2 }
end
