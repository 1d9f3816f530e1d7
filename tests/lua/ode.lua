local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local function turn(_, y, dy)
    dy[1], dy[2] = y[2], -y[1]
end

-- N steps, never N + 1, for the numbers where adding up 1/N goes wrong
for _, steps in ipairs{ 1, 49, 98, 103, 107 } do
    local s = cn.ode.solve{ f = turn, y0 = { 1, 0 }, t1 = 1, steps = steps, scheme = "euler" }
    assert(#s.t == steps + 1 and s.t[steps + 1] == 1 and s.t[1] == 0)
    assert(#s.y == steps + 1 and #s.y[1] == 2 and s.evaluations == steps)
end

-- the error falls with the order of the scheme; from order 6 on it would meet rounding here
for _, name in ipairs(cn.ode.schemes()) do
    local t = cn.ode.tableau(name)
    local function error_at(steps)
        local s = cn.ode.solve{ f = turn, y0 = { 0.8, -0.3 }, t0 = 0.25, t1 = 2.25, steps = steps,
                                scheme = name, save_at = { 2.25 } }
        assert(#s.t == 1 and s.t[1] == 2.25)
        local c, d = math.cos(2), math.sin(2)
        return math.abs(s.y[1][1] - (0.8 * c - 0.3 * d)) + math.abs(s.y[1][2] - (-0.3 * c - 0.8 * d))
    end
    local order = t.order < 6 and math.log(error_at(32) / error_at(64), 2) or t.order
    assert(math.abs(order - t.order) < 0.35, name .. " shows order " .. order)
    assert(error_at(16) < 0.25)
end

-- backwards in time, a field that returns a table, time-dependent
local s = cn.ode.solve{ f = function(t) return { 3 * t * t } end, y0 = { 8 }, t0 = 2, t1 = -1, steps = 3 }
assert(math.abs(s.y[4][1] + 1) < 1e-14 and s.t[2] == 1)
local saved = cn.ode.solve{ f = turn, y0 = { 1, 0 }, t1 = 1, steps = 8, save_at = { 0.25, 0.5, 1 } }
assert(#saved.t == 3 and saved.t[2] == 0.5)

-- first same as last saves an evaluation a step
local d = cn.ode.tableau "dopri54"
assert(d.fsal and d.stages == 7)
s = cn.ode.solve{ f = turn, y0 = { 1, 0 }, t1 = 1, steps = 10, scheme = "dopri54" }
assert(s.evaluations == 61)

-- tableaux
local rk4 = cn.ode.tableau "rk4"
assert(rk4.order == 4 and rk4.stages == 4 and rk4.b[2] == 2 / 6 and rk4.c[4] == 1 and rk4.a[4][3] == 1)
assert(tostring(rk4):find("1/6", 1, true) and #rk4.source > 0)
assert(tostring(cn.ode.schemes()):find "midpoint")
local mine = cn.ode.tableau{ a = { {}, { 0.5 } }, b = { 0, 1 } }
assert(mine.order == 2)
s = cn.ode.solve{ f = turn, y0 = { 1, 0 }, t1 = 1, steps = 4, scheme = mine }
local m = cn.ode.solve{ f = turn, y0 = { 1, 0 }, t1 = 1, steps = 4, scheme = "midpoint" }
assert(s.y[5][1] == m.y[5][1])
local named = cn.ode.tableau{ name = "third", a = { {}, { "1/3" }, { 0, "2/3" } }, b = { "1/4", 0, "3/4" } }
assert(named.order == 3 and cn.ode.tableau("third").order == 3)

-- what cannot be
local function solve(change)
    local options = { f = turn, y0 = { 1, 0 }, t1 = 1, steps = 4 }
    for key, value in pairs(change) do
        options[key] = value
    end
    return cn.ode.solve(options)
end
refuses("scheme \"rk5\" does not exist; nearest is \"rk4\"", solve, { scheme = "rk5" })
refuses("\"steps\" is 0; it must be", solve, { steps = 0 })
refuses("\"steps\" must be a whole number", solve, { steps = 1.5 })
refuses("unknown option \"setps\"; nearest is \"steps\"", solve, { setps = 1 })
refuses("\"t0\" and \"t1\" are both 1", solve, { t0 = 1 })
refuses("t1 is infinite", solve, { t1 = 1 / 0 })
refuses("\"rtol\" asks for step control", solve, { rtol = 1e-6 })
refuses("0.3 is not on the grid of 4 steps from 0 to 1; nearest is 0.25", solve, { save_at = { 0.3 } })
refuses("\"f\" must be a function f(t, y, dy)", solve, { f = 3 })
refuses("\"y0\" must be a list of at least one number", solve, { y0 = { { 1 } } })
refuses("f gave no number for dy[2] at t = 0", solve, { f = function(_, _, dy) dy[1] = 1 end })
refuses("one table of options", cn.ode.solve)
refuses("scheme \"rkk\" does not exist", cn.ode.tableau, "rkk")
refuses("a[2] must be a list of 1 coefficient", cn.ode.tableau, { a = { {}, {} }, b = { 0, 1 } })
refuses("the sum of b must be 1 and is off by -0.667", cn.ode.tableau, { a = { {} }, b = { 1 / 3 } })
refuses("cn.ode.tableau: ", cn.ode.tableau, { a = { {} }, b = { "1/3" } })
refuses("unknown option \"nam\"; nearest is name", cn.ode.tableau, { nam = "x", b = { 1 } })

-- an error of the field comes through, and nothing is left behind
local ok, message = pcall(solve, { f = function() error("mine", 0) end })
assert(not ok and message == "mine")
