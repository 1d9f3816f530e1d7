local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

-- a true field has the orders of the schemes, and passes
local t = cn.order{ system = "pendulum", dt = 0.01, t1 = 1.92 }
for scheme, order in pairs{ euler = 1, midpoint = 2, heun2 = 2, rk4 = 4 } do
    assert(t[scheme].expected == order and t[scheme].confirmed, t[scheme].text)
    assert(math.abs(t[scheme].order - order) < 0.3 and #t[scheme].error == 11)
end
assert(t.euler.h[5] == t.dt and t.dt == 0.01 and t.t1 == 1.92 and t.trained == "euler")
assert(t.truth == nil and #t.curves == 4 and t.curves[1].truth)
assert(t.limit < 1e-12 and t.evaluations == 9 * (192 * 127 + 192 / 2 + 192 / 4 + 192 / 8 + 192 / 16))
local text = tostring(t)
assert(text:find("%[1%.%d%de%+00%]") and text:find "1/64" and text:find "1%.09 of 1", text)
for line in (text .. "\n"):gmatch "(.-)\n" do
    assert(#line <= 79 and not line:find " $", line)
end
assert(t.plot:find "euler" and tostring(cn.plot.convergence{ curves = t.curves }):find "euler")
assert(cn.verdict{ system = "pendulum", dt = 0.01, t1 = 1.92 }.pass)
assert(cn.verdict{ system = "lotka_volterra", dt = 0.05, trained = "rk4" }.pass, "the usual time")
assert(cn.order{ system = { name = "oscillator", damping = 0.1 }, dt = 0.125 }.t1 == 10)

-- what a linear fit inside Euler's scheme learns of the oscillator
local re, im = (math.cos(0.1) - 1) / 0.1, math.sin(0.1) / 0.1
local function biased(t, y)
    return { re * y[1] + im * y[2], re * y[2] - im * y[1] }
end
local v = cn.verdict{ system = "oscillator", trained = "euler", dt = 0.1, t1 = 2, learned = biased }
assert(v.state == "FAIL-V" and not v.pass and v.error < 1e-13)
assert(math.abs(v.limit - 9.51e-2) < 5e-5 and math.abs(v.order.euler.error[4] - 4.88e-2) < 5e-5)
assert(math.abs(v.order.euler.error[2] - 1.05e-1) < 5e-4)
assert(v.order.truth.euler.truth and not v.order.euler.truth and #v.order.curves == 8)
assert(v.worst > 0.09 and v.agree and v.noise == nil)
assert(v.text:find("^FAIL%-V: the error is") and v.text:find "learned the scheme's error")
for line in (tostring(v) .. "\n"):gmatch "(.-)\n" do
    assert(#line <= 79, line)
end
assert(tostring(v):find "2 larger steps do not divide the time")

-- a target, and a field that is not fitted
local function still() return { 0, 0 } end
v = cn.verdict{ system = "oscillator", dt = 0.1, t1 = 1.6, learned = still }
assert(v.state == "FAIL-UNDER" and math.abs(v.target - 0.1) < 1e-12, v.text)
v = cn.verdict{ system = "oscillator", dt = 0.1, t1 = 1.6, learned = still, target = 10 }
assert(v.state == "PASS" and v.target == 10, v.text)

-- other truths: a function, a trajectory
local function oscillator(t, y, dy) dy[1], dy[2] = y[2], -y[1] end
local f = cn.order{ f = oscillator, y0 = { 0, 1 }, dt = 0.1, t1 = 1.6, schemes = { "rk4", "midpoint" } }
local s = cn.order{ system = "oscillator", dt = 0.1, t1 = 1.6, schemes = { "rk4", "midpoint" } }
for i = 1, 5 do
    assert(math.abs(f.midpoint.error[i] / s.midpoint.error[i] - 1) < 1e-6)
end
local samples = cn.ode.solve{ f = oscillator, y0 = { 0, 1 }, t1 = 1.6, steps = 1600, scheme = "dopri54" }
local j = cn.order{ trajectory = samples, learned = oscillator, dt = 0.1, t1 = 1.6 }
assert(math.abs(j.rk4.error[5] / s.rk4.error[5] - 1) < 1e-5 and j.truth == nil)

-- many states: the root mean square
local many = cn.order{ system = "oscillator", y0 = { { 0, 1 }, { 0, 2 } }, dt = 0.1, t1 = 1.6, schemes = { "euler" } }
local one = cn.order{ system = "oscillator", dt = 0.1, t1 = 1.6, schemes = { "euler" } }
assert(math.abs(many.euler.error[3] / one.euler.error[3] - math.sqrt(2.5)) < 1e-12)

-- a net that learns the oscillator in Euler's scheme learns the closed form
local d = cn.data.system{ system = "oscillator", dt = 0.1, t1 = 50 }
local function train(scheme, seed)
    local net = cn.net.stack{ input = { 2 }, precision = "f64", seed = seed, layers = {
        { layer = "ode", scheme = scheme, steps = 1, eps = 0.1, body = { { layer = "dense", out = 2, bias = false } } } } }
    local folder = os.tmpname()
    os.remove(folder)
    cn.train{ net = net, data = d, epochs = 60, batch = 25, optimizer = cn.optim.adam{ lr = 0.05 }, runs = folder,
              probe = false, checkpoint_every = 0, convergence = { t1 = 2 } }:wait()
    os.execute("rm -r '" .. folder .. "'")
    return net
end
local net, seed = train("euler", 1), train("euler", 2)
v = cn.verdict{ system = "oscillator", net = net, dt = 0.1, t1 = 2, seeds = { seed } }
assert(v.state == "FAIL-V" and v.trained == "euler" and v.noise < 1e-9 and v.noise > 0, v.text)
assert(math.abs(v.limit - 9.51e-2) < 5e-5 and math.abs(v.order.euler.error[4] - 4.88e-2) < 5e-5)
v = cn.verdict{ data = d, net = net }
assert(v.state == "FAIL-V" and v.dt == 0.1 and math.abs(v.order.t1 - 9.6) < 1e-12, "the data say what the truth is")
local o = cn.order{ system = "oscillator", net = net, dt = 0.1, t1 = 2 }
assert(o.rk4.confirmed and o.truth.rk4.confirmed and o.trained == "euler")
refuses("one field is tested", cn.order, { system = "oscillator", net = net, dt = 0.1, learned = biased })
refuses("\"seeds\" belongs to cn.verdict", cn.order, { system = "oscillator", net = net, dt = 0.1, seeds = { seed } })
refuses("\"seeds\" must be a list", cn.verdict, { system = "oscillator", net = net, dt = 0.1, seeds = 3 })
refuses("what the net's step stands for", cn.order, { system = "oscillator", net = net })
refuses("states of the net have 2 numbers, but 3 are needed", cn.order, { system = "lorenz", net = net, dt = 0.1 })
refuses("not one ODE block", cn.order, { system = "oscillator", dt = 0.1, net = cn.net.mlp{ input = { 2 } } })

-- eigenvalues: the trained ones are the predicted ones
s = cn.ode.spectrum{ net = net, system = "oscillator", dt = 0.1 }
assert(s.scheme == "euler" and s.dt == 0.1 and s.difference < 1e-9)
assert(math.abs(s.predicted[1][1] + 0.049958) < 5e-7 and math.abs(s.predicted[1][2] - 0.998334) < 5e-7)
assert(math.abs(s.exact[1][2] - 1) < 1e-14 and math.abs(s.exact[2][2] + 1) < 1e-14 and s.polynomial[2] == 1 and #s.polynomial == 2)
for _, z in ipairs(s.boundary) do
    assert(math.abs((1 + z[1]) ^ 2 + z[2] ^ 2 - 1) < 1e-12)
end
assert(#s.boundary > 100 and tostring(s):find "predicted" and #s.plot > 200)
s = cn.ode.spectrum{ matrix = { { 2, 1, 0 }, { 0, -3, 4 }, { 0, 0, 0.5 } }, scheme = "rk4", dt = 0.25 }
assert(s.exact == nil and s.difference == nil and #s.learned == 3)
assert(math.abs(s.learned[1][1] - 2) < 1e-14 and math.abs(s.learned[3][1] + 3) < 1e-14)
s = cn.ode.spectrum{ system = "lorenz", y = { 0, 0, 0 }, scheme = "trapezoid", dt = 0.01 }
assert(math.abs(s.exact[1][1] - 11.827723) < 1e-6 and s.learned == nil)
local function spectrum(change)
    local options = { matrix = { { 0, 1 }, { -1, 0 } }, scheme = "rk4", dt = 0.1 }
    for key, value in pairs(change) do
        options[key] = value or nil
    end
    return cn.ode.spectrum(options)
end
refuses("\"dt\" is missing", spectrum, { dt = false })
refuses("\"scheme\" is missing", spectrum, { scheme = false })
refuses("\"rk5\" does not exist", spectrum, { scheme = "rk5" })
refuses("square list of rows", spectrum, { matrix = { { 1, 2, 3 } } })
refuses("states of 3 numbers, the other one of 2", spectrum, { system = "lorenz" })
refuses("one of \"net\" and \"matrix\"", spectrum, { net = net })
refuses("one of \"net\" and \"matrix\"", spectrum, { matrix = false })
refuses("must be a state of 2 numbers", spectrum, { system = "pendulum", y = { 1 } })
refuses("not finite", spectrum, { matrix = { { 0, 1 / 0 }, { 0, 1 } } })

local function order(change)
    local options = { system = "oscillator", dt = 0.1, t1 = 1.6 }
    for key, value in pairs(change) do
        options[key] = value
    end
    return cn.order(options)
end
refuses("\"dt\" is missing", cn.order, { system = "oscillator" })
refuses("16.5 steps of 0.1", order, { t1 = 1.65 })
refuses("unknown option \"finset\"; nearest is \"finest\"", order, { finset = -3 })
refuses("\"target\" belongs to cn.verdict", order, { target = 1 })
refuses("nearest is \"oscillator\"", order, { system = "oscilator" })
refuses("\"rk5\" does not exist", order, { trained = "rk5" })
refuses("must be a state of 2 numbers", order, { y0 = { 1, 2, 3 } })
refuses("it takes one field", order, { f = oscillator })
refuses("the truth is one of them", order, { trajectory = samples })
refuses("at least two times", cn.order, { trajectory = { t = { 0 }, y = { { 1 } } }, dt = 0.1 })
refuses("must rise, but entry 2", cn.order, { trajectory = { t = { 0, 0 }, y = { { 1 }, { 2 } } }, dt = 0.1 })
refuses("nothing to test", cn.order, { trajectory = samples, dt = 0.1 })
refuses("no sample at t", cn.order, { trajectory = samples, learned = oscillator, dt = 0.0125, t1 = 1, coarsest = 0 })
refuses("\"y0\" is missing", cn.order, { f = oscillator, dt = 0.1, t1 = 1 })
refuses("\"t1\" is missing", cn.order, { f = oscillator, y0 = { 0, 1 }, dt = 0.1 })
refuses("\"learned\" must be a function", order, { learned = 3 })
refuses("gave no number for dy[2]", order, { learned = function() return { 1 } end })
refuses("my own words", order, { learned = function() error("my own words", 0) end })
refuses("my own words", cn.order, { f = function() error("my own words", 0) end, y0 = { 1 }, dt = 0.1, t1 = 1 })
refuses("must be a positive number", cn.verdict, { system = "oscillator", dt = 0.1, target = -1 })
refuses("at most 8 schemes", order, { schemes = { "euler", "midpoint", "heun2", "ralston2", "kutta3", "heun3", "rk4", "rk4_38", "bs32" } })

-- what a field raises in one cell is what is raised, whatever other cells do
do
    local good, text = pcall(cn.order, { system = "pendulum", dt = 0.1, learned = function(_, y)
        if math.abs(y[2]) > 8 then error "too fast for this field" end
        return { y[2], -9.81 * math.sin(y[1]) }
    end })
    assert(not good and tostring(text):find "too fast for this field", text)
end
