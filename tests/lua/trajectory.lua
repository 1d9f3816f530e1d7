local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

-- pairs of a built-in system, by name, table and object
local p = cn.ode.system{ name = "pendulum", gravity = 4.5, t1 = 3 }
local made = {
    cn.data.system{ system = p, dt = 0.25, valid = 2 },
    cn.data.system{ system = "pendulum", gravity = 4.5, t1 = 3, dt = 0.25, valid = 2 },
    cn.data.system{ system = { name = "pendulum", gravity = 4.5 }, t1 = 3, count = 13, valid = 2 },
}
for _, d in ipairs(made) do
    assert(#d.train == 10 and #d.valid == 2 and #d.test == 0 and d.outputs == 2 and d.classes == 0)
    assert(d.config.dt == 0.25 and d.config.system.gravity == 4.5 and d.name == "pendulum")
    assert(tostring(d):find "10 train, 2 valid, 0 test pairs of states of 2 values, dt = 0.25")
    local x, y = d.train:inputs(), d.train:targets()
    assert(x.precision == "f64" and y.precision == "f64")
    for k = 1, 10 do
        local want = p:exact(0.25 * k)
        assert(y[k][1] == want[1] and y[k][2] == want[2])
        assert(k == 10 or x[k + 1][1][1][1] == want[1])
    end
end

local w = cn.data.system{ system = "duffing", dt = 0.1, count = 31, times = "irregular", intervals = 3 }
assert(w.shape[1] == 4 and w.outputs == 6)
assert(tostring(w):find "windows of 3 intervals of 2 values, dt about 0.1, t and dt given; inputs 4")

-- what cn.ode.solve gives is a trajectory
local s = cn.ode.solve{ f = function(t, y, dy) dy[1] = -y[1] end, y0 = { 1 }, t1 = 2, steps = 16 }
local own = cn.data.trajectory{ t = s.t, y = s.y, valid = 4, name = "decay" }
assert(own.name == "decay" and #own.train == 12 and #own.valid == 4 and own.config.dt == 0.125)
assert(own.train:targets()[12][1] == s.y[13][1])
local many = cn.data.trajectory{ y = { s.y, s.y, s.y }, dt = 0.125, valid = 1 }
assert(#many.train == 32 and #many.valid == 16)
assert(#cn.data.trajectory{ y = { 1, 2, 4, 8 }, dt = 1, valid = 0 }.train == 3)

-- files
local path = os.tmpname()
local file = assert(io.open(path, "w"))
file:write "t;x\n0;1\n1;2\n2;4\n2;8\n"
file:close()
refuses("line 5 t is 2, and 2 before it", cn.data.trajectory, { file = path })
file = assert(io.open(path, "w"))
file:write "t;x\n0;1\n1;2\n2;4\n3;8\n"
file:close()
local read = cn.data.trajectory{ file = path, valid = 0, intervals = 2 }
assert(#read.train == 2 and read.train:targets()[2][2] == 8 and #read.digest == 64)
os.remove(path)

refuses('unknown option "gravty"; nearest is "gravity"', cn.data.system, { system = "pendulum", gravty = 1 })
refuses('"system" is missing', cn.data.system, {})
refuses('"system" must be the name', cn.data.system, { system = 3 })
refuses('unknown option "source"', cn.data.system, { system = "pendulum", source = "rings" })
refuses('give a "file"', cn.data.trajectory, {})
refuses('"t" needs "y"', cn.data.trajectory, { t = { 1, 2 } })
refuses("list of 2 times, one a state, not of 3", cn.data.trajectory, { t = { 1, 2, 3 }, y = { { 1 }, { 2 } } })
refuses('"t" is missing', cn.data.trajectory, { y = { { 1 }, { 2 } } })
refuses("not both", cn.data.trajectory, { y = { { 1 }, { 2 } }, dt = 1, file = "x.csv" })
refuses("times must rise, but at row 3 t is 1.5, and 2 before it", cn.data.trajectory,
    { t = { 1, 2, 1.5 }, y = { { 1 }, { 2 }, { 3 } } })
refuses("row 2: value 1 is not finite", cn.data.trajectory, { t = { 1, 2 }, y = { { 1 }, { 1 / 0 } } })
refuses('nearest is "noise"', cn.data.trajectory, { nois = 3, y = { 1, 2 }, dt = 1 })
