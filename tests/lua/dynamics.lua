-- Nets that are vector fields: what they are, what they learn, what is refused.
local cn = cn or require "continuo"
local runs = os.getenv "TMPDIR" or "/tmp"

local function refused(pattern, f, ...)
    local good, text = pcall(f, ...)
    assert(not good and tostring(text):find(pattern), pattern .. " not in: " .. tostring(text))
end

-- the net is its field
local net = cn.net.dynamics{ state = 3, dt = 0.25, hidden = 11, layers = 2, steps = 2, scheme = "heun3" }
assert(net.family == "dynamics" and net.outputs == 3 and net.precision == "f64")
assert(net.count == 3 * 11 + 11 + 11 * 11 + 11 + 11 * 3 + 3)
local y0 = { 0.3, -1.1, 0.7 }
local s = cn.ode.solve{ net = net, y0 = y0, t1 = 0.5, scheme = "heun3", steps = 4 }
local once = net:forward(y0)
local twice = net:forward(once)
for i = 1, 3 do
    assert(math.abs(s.y[3][i] - once:data()[i]) < 1e-14)
    assert(math.abs(s.y[5][i] - twice:data()[i]) < 1e-14)
end
refused("takes one field", cn.ode.solve, { net = net, system = "pendulum", y0 = y0, t1 = 1, steps = 1 })
refused("dt", cn.net.dynamics, { state = 2 })
refused("nearest is", cn.net.dynamics, { state = 2, dt = 1, hiden = 3 })

-- windows: the states behind several intervals
local windows = cn.data.system{ system = "oscillator", y0 = { 0, 1 }, t1 = 20, dt = 0.2, intervals = 4 }
local long = cn.net.dynamics{ state = 2, dt = 0.2, model = "linear", scheme = "rk4", intervals = 4 }
assert(long.outputs == 8 and long.count == 4 and tostring(long):find "4 intervals")
cn.train{ net = long, data = windows, epochs = 60, batch = 20, optimizer = cn.optim.adam{ lr = 0.05 },
          schedule = cn.schedule.step{ at = { 30, 45 }, factor = 0.1 },
          probe = false, checkpoint_every = 0, name = "windows", runs = runs }:wait()
assert(long:evaluate(windows.train).loss < 1e-5)
refused("cannot have intervals = 2", cn.net.dynamics,
        { state = 2, dt = 1, intervals = 2, model = "matrix" })

-- samples at times of their own: what the net makes of (y, t, dt) is the solution from t through dt
local timed = cn.net.dynamics{ state = 2, hidden = 7, times = "given", time = true, scheme = "rk4",
                               steps = 3, intervals = 2 }
assert(timed.input[1] == 4 and timed.outputs == 4 and timed.config.dt == 0)
local out = timed:forward{ 0.4, -0.9, 1.7, 0.3 }:data()
local solved = cn.ode.solve{ net = timed, y0 = { 0.4, -0.9 }, t0 = 1.7, t1 = 2.3, scheme = "rk4",
                             steps = 6 }
for i = 1, 2 do
    assert(math.abs(out[i] - solved.y[4][i]) < 1e-14 and math.abs(out[2 + i] - solved.y[7][i]) < 1e-14)
end
refused("use times = \"given\"", cn.net.dynamics, { state = 2, dt = 1, time = true })

-- a polynomial finds the terms of a system from irregular samples
local prey = cn.data.system{ system = "lotka_volterra", t1 = 10, dt = 0.1, times = "irregular",
                             y0 = { { 1, 1 }, { 2, 1.3 }, { 0.5, 0.8 } } }
local poly = cn.net.dynamics{ state = 2, times = "given", model = "polynomial", degree = 2,
                              scheme = "dopri54", steps = 2 }
assert(table.concat(poly:terms(), ", ") == "1, x1, x2, x1^2, x1 x2, x2^2")
refused("no polynomial", timed.terms, timed)
cn.train{ net = poly, data = prey, epochs = 400, batch = 1000, optimizer = cn.optim.lbfgs{},
          probe = false, checkpoint_every = 0, name = "prey", runs = runs }:wait()
local found, off = poly:parameters()["block1.fc1.weight"]:data(), 0
for i, c in ipairs{ 0, 1.5, 0, 0, -1, 0, 0, 0, -3, 0, 1, 0 } do -- x1' = 1.5 x1 - x1 x2 and so on
    off = math.max(off, math.abs(found[i] - c))
end
assert(off < 2e-6, off) -- the error of the scheme

-- the matrix for one interval has no field
local free = cn.net.dynamics{ state = 2, dt = 0.1, model = "matrix" }
assert(free.count == 4 and free.scheme == nil)
refused("0 ODE blocks", cn.ode.solve, { net = free, y0 = { 1, 0 }, t1 = 1, steps = 1 })

-- A linear fit inside a scheme has the scheme's stability function R(dt lambda) = exp(i dt):
-- its eigenvalues solve that equation exactly (NUMERICS.md, "Systems").
local function eigenvalue(a) -- the one of positive imaginary part, of a 2 x 2 matrix
    local half, det = (a[1] + a[4]) / 2, a[1] * a[4] - a[2] * a[3]
    return half, math.sqrt(det - half * half)
end
local function residual(name, re, im, dt) -- |R(dt lambda) - exp(i dt)|
    local terms = { euler = 1, midpoint = 2, rk4 = 4 }
    local zr, zi, pr, pi, sr, si = dt * re, dt * im, 1, 0, 1, 0
    for k = 1, terms[name] do
        pr, pi = (pr * zr - pi * zi) / k, (pr * zi + pi * zr) / k
        sr, si = sr + pr, si + pi
    end
    return math.sqrt((sr - math.cos(dt)) ^ 2 + (si - math.sin(dt)) ^ 2)
end
local rows = { -- scheme, dt, and lambda as worked out from the equation
    { "euler", 0.1, -0.049958, 0.998334 },
    { "euler", 0.05, -0.024995, 0.999583 },
    { "midpoint", 0.1, -0.000124, 0.998347 },
    { "rk4", 0.4, 0.000070, 1.000201 },
}
for _, row in ipairs(rows) do
    local name, dt = row[1], row[2]
    local data = cn.data.system{ system = "oscillator", y0 = { 0, 1 }, t1 = 20, dt = dt }
    local model = cn.net.dynamics{ state = 2, dt = dt, model = "linear", scheme = name }
    cn.train{ net = model, data = data, epochs = 600, batch = 1000,
              optimizer = cn.optim.adam{ lr = 0.05 },
              schedule = cn.schedule.step{ at = { 200, 400, 500 }, factor = 0.3 },
              probe = false, checkpoint_every = 0, name = "oscillator", runs = runs }:wait()
    local re, im = eigenvalue(model:parameters()["block1.fc1.weight"]:data())
    assert(math.abs(re - row[3]) < 1e-6 and math.abs(im - row[4]) < 1e-6, name .. " " .. dt)
    assert(residual(name, re, im, dt) < 1e-9, name .. " " .. dt)
end

-- what a net says of itself
local text = tostring(cn.net.dynamics{ state = 2, dt = 0.125, intervals = 3 })
assert(text:find("dynamics, mlp", 1, true) and text:find("dt 0.125, 3 intervals", 1, true), text)
text = tostring(cn.net.dynamics{ state = 2, model = "polynomial", times = "given", time = true })
assert(text:find("dynamics, polynomial", 1, true), text)
assert(text:find("dt of each sample, reads t", 1, true), text)

-- a rate that falls to zero ends the search, not the program
do
    local data = cn.data.system{ system = "oscillator", y0 = { 0, 1 }, t1 = 5, dt = 0.1 }
    local model = cn.net.dynamics{ state = 2, dt = 0.1, model = "linear", scheme = "rk4" }
    local job = cn.train{ net = model, data = data, epochs = 4, batch = 1000, runs = runs,
                          optimizer = cn.optim.lbfgs{}, convergence = false, name = "zero",
                          schedule = cn.schedule.one_cycle{ peak = 1, ["end"] = 0 } }:wait()
    assert(job.state == "done", job.message)
end
