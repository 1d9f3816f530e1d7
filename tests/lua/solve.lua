-- cn.ode.solve with chosen steps, dense output, samples, systems, Adams' formulas, and what it says
-- when it stops
local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local function decay(t, y, dy)
    dy[1] = -y[1] + math.sin(t) + math.cos(t)
end
local function exact(t) -- from y(0) = 1.5
    return 1.5 * math.exp(-t) + math.sin(t)
end
local function near(a, b, tolerance)
    assert(math.abs(a - b) <= tolerance, string.format("%.17g, not %.17g", a, b))
end
local function solve(change)
    local options = { f = decay, y0 = not change.samples and { 1.5 } or nil, t1 = 6 }
    for key, value in pairs(change) do
        options[key] = value
    end
    return cn.ode.solve(options)
end

-- chosen steps, and how they were
local s = solve{ rtol = 1e-9, atol = 1e-9 }
assert(s.status == "done" and s.message == nil and s.control == "each" and s.scheme == "dopri54")
assert(s.t[1] == 0 and s.t[#s.t] == 6 and #s.t == #s.y and #s.t == s.accepted + 1)
near(s.y[#s.y][1], exact(6), 1e-7)
assert(#s.trace.t == s.accepted + s.rejected and #s.trace.h == #s.trace.t)
for i = 1, #s.trace.t do
    assert(s.trace.accepted[i] == (s.trace.error[i] <= 1) and s.trace.worst[i] == 1)
end
assert(solve{ rtol = 1e-9, trace = false }.trace == nil)
assert(tostring(s):find("solution by dopri54: " .. #s.t .. " states saved", 1, true))
assert(solve{ rtol = 1e-4 }.evaluations < s.evaluations)

-- the function is called as often as is said
local calls = 0
local function counting(t, y)
    calls = calls + 1
    return { -y[1] }
end
for _, change in ipairs{ { rtol = 1e-6 }, { steps = 20, scheme = "adams4" }, { steps = 9, scheme = "rk4" },
                         { rtol = 1e-5, scheme = "bs32", first = 5 } } do
    calls, change.f = 0, counting
    assert(solve(change).evaluations == calls)
end

-- every controller, norm and estimate; tolerances for each component
for _, change in ipairs{ { control = "i" }, { control = "pid" }, { norm = "max" }, { estimate = "shampine" },
                         { atol = { 1e-10 } }, { rtol = { 1e-8 } }, { longest = 0.01 }, { first = 1e-3 } } do
    change.rtol = change.rtol or 1e-8
    near(solve(change).y[1][1], 1.5, 0)
    s = solve(change)
    near(s.y[#s.y][1], exact(6), 1e-6)
end
assert(solve{ rtol = 1e-3, longest = 0.01 }.accepted >= 600)

-- requested times
s = solve{ rtol = 1e-9, save_at = { 0, 0.1, 2.5, 2.6, 5 } }
assert(#s.t == 5 and s.t[2] == 0.1 and s.t[5] == 5 and s.y[1][1] == 1.5)
near(s.y[4][1], exact(2.6), 1e-7)
local between = solve{ rtol = 1e-9, save_at = { 0, 0.1, 2.5, 2.6, 5 }, interpolate = true }
assert(between.order == 5 and between.interpolant == "own" and between.t[4] == 2.6)
near(between.y[4][1], exact(2.6), 1e-7)
s = solve{ steps = 50, save_at = { 0.123, 3.3 }, interpolate = true }
assert(s.order == 4 and s.interpolant == "hermite" and s.t[1] == 0.123)
near(s.y[2][1], exact(3.3), 1e-5)

-- states at any time, by every interpolant, of a function that is called again when it has to be
for _, kind in ipairs{ "auto", "own", "hermite", "again" } do
    s = solve{ rtol = 1e-10, dense = true, interpolant = kind }
    assert(s.order == (kind == "hermite" and 4 or 5))
    near(s:at(1.234)[1], exact(1.234), 1e-6)
    local list = s:at{ 0, 0.5, 6 }
    assert(#list == 3 and list[1][1] == 1.5 and list[3][1] == s.y[#s.y][1])
    refuses("outside of what was solved, from 0 to 6", s.at, s, 6.001)
end
local armed = false
s = solve{ f = function(_, y) assert(not armed, "again!") return { -y[1] } end, rtol = 1e-6, dense = true,
           interpolant = "again" }
armed = true
refuses("again!", s.at, s, 0.77)
refuses("t must be", s.at, s, { { 1 } })
refuses("solve with dense = true", s.at, solve{ rtol = 1e-6 }, 1)
collectgarbage()
armed = false
near(s:at(0.77)[1], 1.5 * math.exp(-0.77), 1e-5)

-- many states
local many = solve{ y0 = nil, samples = { { 1.5 }, { 40 }, { -2 } }, rtol = 1e-8 }
assert(#many == 3 and many.evaluations >= many[1].evaluations)
local alone = solve{ y0 = { 40 }, rtol = 1e-8 }
assert(#alone.t == #many[2].t and alone.y[#alone.y][1] == many[2].y[#many[2].y][1])
assert(#many[1].t ~= #many[2].t and many[1].control == "each")
local together = solve{ samples = { { 1.5 }, { 40 }, { -2 } }, rtol = 1e-8, together = true }
assert(#together[1].t == #together[2].t and together[1].control == "together")

-- built-in systems: their own state and times, or others
local p = cn.ode.system "pendulum"
s = cn.ode.solve{ system = "pendulum", rtol = 1e-11, atol = 1e-11, save_at = { p.t1 } }
for i = 1, 2 do
    near(s.y[1][i], p:exact(p.t1)[i], 1e-8)
end
s = cn.ode.solve{ system = { name = "lorenz", rho = 14 }, y0 = { 1, 2, 3 }, t0 = 1, t1 = 0.5, steps = 10 }
assert(s.t[11] == 0.5 and #s.y[11] == 3)
s = cn.ode.solve{ system = p, dense = true, rtol = 1e-11, atol = 1e-11, interpolant = "again" }
p = nil
collectgarbage()
near(s:at(1)[1], cn.ode.system "pendulum":exact(1)[1], 1e-8)

-- nets: the ODE block, as it stands; with the net's own scheme and steps what the net computes
local x, net = { 0.3, -1.1, 0.7 }
for _, scheme in ipairs{ "heun3", "rk4", "dopri54" } do -- stages at the end of a cell read that cell
    for _, nodes in ipairs{ 1, 2, 7 } do
        net = cn.net.mlp{ input = { 3 }, outputs = 2, hidden = 9, nodes = nodes, scheme = scheme,
                          steps = 2 * nodes, seed = 5, precision = "f64" }
        s = cn.ode.solve{ net = net, y0 = x, scheme = scheme, steps = 2 * nodes }
        assert(s.t[2 * nodes + 1] == 1)
        local parameters, logits = net:parameters(), net:forward{ x }:data()
        local weight, bias = parameters["head.weight"]:data(), parameters["head.bias"]:data()
        for o = 1, 2 do
            local sum = bias[o]
            for i = 1, 3 do
                sum = sum + weight[3 * (o - 1) + i] * s.y[2 * nodes + 1][i]
            end
            near(sum, logits[o], 1e-13)
        end
    end
end
s = cn.ode.solve{ net = net, samples = { x, { 0, 1, 2 } }, rtol = 1e-9, dense = true, interpolant = "again" }
net = nil
collectgarbage()
local half = cn.ode.solve{ net = cn.net.mlp{ input = { 3 }, outputs = 2, hidden = 9, nodes = 7, seed = 5,
                                             precision = "f64" }, y0 = x, t1 = 0.5, rtol = 1e-9 }
near(s[1]:at(0.5)[2], half.y[#half.y][2], 1e-7)
refuses("there is no block 2", cn.ode.solve, { net = cn.net.mlp{ input = { 1 }, outputs = 1 }, block = 2, y0 = { 1 },
                                         steps = 1 })
refuses("not made of dense layers", cn.ode.solve, { net = cn.net.continuous{ input = { 1, 8, 8 }, classes = 2 },
                                                   y0 = { 1 }, steps = 1 })
refuses("\"net\" must be a net", cn.ode.solve, { net = 7, y0 = { 1 }, steps = 1 })

-- jumps of a field
local function saw(t) return { t < 0.3 and 1 or -2 } end
s = cn.ode.solve{ f = saw, y0 = { 0 }, t1 = 1, rtol = 1e-6, breaks = { 0.3 } }
near(s.y[#s.y][1], 0.3 - 2 * 0.7, 1e-15)
assert(s.rejected == 0)
s = cn.ode.solve{ f = saw, y0 = { 0 }, t1 = 1, steps = 10, scheme = "rk4", breaks = { 0.3 } }
near(s.y[11][1], 0.3 - 2 * 0.7, 1e-15)
refuses("breaks must be rising times, but entry 2 is 0.1", cn.ode.solve,
        { f = saw, y0 = { 0 }, t1 = 1, steps = 10, breaks = { 0.3, 0.1 } })
refuses("breaks must be a list", cn.ode.solve, { f = saw, y0 = { 0 }, t1 = 1, steps = 10, breaks = 0.3 })

-- Adams' formulas
for k = 2, 5 do
    local function error_at(steps)
        s = solve{ scheme = "adams" .. k, steps = steps }
        return math.abs(s.y[steps + 1][1] - exact(6))
    end
    local order = math.log(error_at(200) / error_at(400), 2)
    assert(math.abs(order - k) < 0.2, "adams" .. k .. " shows order " .. order)
end

assert(tostring(cn.ode.schemes()):find "\nadams5 +5 +1 +no +%- +0.1633 +Bashforth.*begun by dopri54\n")

-- rounding taken back
local function last(compensated)
    s = cn.ode.solve{ f = function(_, y) return { y[1] } end, y0 = { 1 }, t1 = 1, steps = 20000, scheme = "rk4",
                      save_at = { 1 }, compensated = compensated }
    return math.abs(s.y[1][1] - math.exp(1))
end
assert(last(true) <= 5e-16 and last(false) > 1e-15)

-- what stops early keeps its part, says so and is no error
s = cn.ode.solve{ f = function(_, y) return { y[1] ^ 2 } end, y0 = { 1 }, t1 = 2, rtol = 1e-8 }
assert(s.status == "step underflow" and s.message:find "the step fell to" and #s.t > 20 and s.t[#s.t] < 1.001)
s = solve{ rtol = 1e-8, limit = 12 }
assert(s.status == "step limit" and s.accepted + s.rejected == 12 and s.message:find "12 steps were attempted")
s = solve{ f = function(t, y) return { t > 1 and 0 / 0 or y[1] } end, rtol = 1e-6 }
assert(s.status == "non-finite" and s.t[#s.t] <= 1 and s.t[#s.t] > 0.99)
s = cn.ode.solve{ system = { name = "van_der_pol", mu = 1000 }, t1 = 2000, rtol = 1e-4 }
assert(s.status == "stiff" and s.message:find "likely stiff" and s.t[#s.t] < 2000)
s = solve{ f = function(_, y) return { y[1] ^ 2 } end, steps = 100 }
assert(s.status == "non-finite" and #s.t == 101)

-- what cannot be
refuses("needs an error estimate, which scheme \"rk4\" does not have", solve, { scheme = "rk4", rtol = 1e-6 })
refuses("which scheme \"adams3\" does not have", solve, { scheme = "adams3", rtol = 1e-6 })
refuses("\"steps\" is missing", solve, {})
refuses("\"rtol\" is a list of 2, but the state has 1 component", solve, { rtol = { 1e-6, 1e-6 } })
refuses("\"atol\" must be a number, or a list of 1", solve, { atol = "small" })
refuses("rtol = -1 and atol = 1e-09", solve, { rtol = -1 })
refuses("no error estimate \"shampin\"; it has \"dormand_prince\", \"shampine\"", solve,
        { rtol = 1e-6, estimate = "shampin" })
refuses("\"control\" cannot be \"pd\"", solve, { rtol = 1e-6, control = "pd" })
refuses("no interpolant of its own", solve, { steps = 5, interpolant = "own" })
refuses("save_at[1] = 7 is not between t0 = 0 and t1 = 6", solve, { rtol = 1e-6, save_at = { 7 } })
refuses("samples = { {..}, {..} }", solve, { y0 = { { 1 } }, rtol = 1e-6 })
refuses("\"samples\" must be a list of states", solve, { samples = { 1, 2 }, rtol = 1e-6 })
refuses("\"f\" and \"system\" are both given", solve, { system = "pendulum", rtol = 1e-6 })
refuses("\"y0\" has 3 numbers, but the state of pendulum has 2", cn.ode.solve,
        { system = "pendulum", y0 = { 1, 2, 3 }, rtol = 1e-6 })
refuses("must fill its third argument or return a table, not a number", solve,
        { f = function() return 1 end, rtol = 1e-6 })

-- an error comes through from every depth, with nothing left behind, also in a coroutine
local value = setmetatable({}, { __tostring = function() return "mine" end })
local ok, raised = pcall(solve, { f = function(t) if t > 3 then error(value) end return { 1 } end, rtol = 1e-6 })
assert(not ok and raised == value)
ok, raised = coroutine.resume(coroutine.create(function()
    return solve{ f = function() error(value) end, steps = 3 }
end))
assert(not ok and raised == value)
ok, raised = coroutine.resume(coroutine.create(function()
    return solve{ f = function() coroutine.yield() return { 1 } end, steps = 3 }
end))
assert(not ok and tostring(raised):find "yield")
-- a solve within a field of a solve
s = solve{ f = function(_, y) return { cn.ode.solve{ f = counting, y0 = { y[1] }, t1 = 0.5, steps = 2 }.y[3][1] } end,
           steps = 4 }
assert(#s.t == 5)

-- a scheme without a name lives as long as a solution that steps with it
do
    local s = cn.ode.solve{ f = function(_, y) return { -y[1] } end, y0 = { 1 }, t1 = 1, steps = 10,
                            scheme = cn.ode.tableau{ a = { {}, { "1/2" } }, b = { 0, 1 } },
                            dense = true, interpolant = "again" }
    collectgarbage() collectgarbage()
    assert(math.abs(s:at(0.55)[1] - math.exp(-0.55)) < 1e-3)
end

-- a field that asks for its own past is refused, not mistaken
do
    local s
    local function f(t, y)
        return { s and -s:at(t)[1] or -y[1] }
    end
    local past = cn.ode.solve{ f = f, y0 = { 1 }, t1 = 1, steps = 10, dense = true, interpolant = "again" }
    s = past
    local good, text = pcall(s.at, s, 0.55)
    assert(not good and tostring(text):find "while it is being asked", text)
    s = nil
    assert(math.abs(past:at(0.55)[1] - math.exp(-0.55)) < 1e-3)
end

do
    local good, text = pcall(cn.ode.solve, { system = "pendulum", y0 = { 1, 0 },
                                             samples = { { 1, 0 } }, t1 = 1, steps = 2 })
    assert(not good and tostring(text):find "both given", text)
end
