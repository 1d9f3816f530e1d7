-- What a linear field learns inside a scheme: the scheme's error, exactly. A matrix A is fitted to
-- states of the harmonic oscillator an interval dt apart. Whatever the scheme, the fit is perfect,
-- and its eigenvalue solves R(dt lambda) = exp(i dt), R the scheme's stability function. So the
-- error at the step of the training is zero, and at any other step, smaller ones too, it is not.
--
--     continuo run scripts/oscillator.lua [--quick] [--seed N]
--
-- Prints eigenvalues beside those of the closed form, the errors at T = 2 with smaller and larger
-- steps, and the order with which |lambda - i| falls; ends with status 3 when a number is not what
-- theory says. --quick leaves out two of the four intervals of the order.

local quick, seed = false, 1
do
  local i = 1
  while i <= #arg do
    if arg[i] == "--quick" then
      quick = true
    elseif arg[i] == "--seed" and tonumber(arg[i + 1]) then
      seed, i = tonumber(arg[i + 1]) // 1, i + 1
    else
      error(("oscillator: %s is not an option; there are --quick and --seed N"):format(arg[i]), 0)
    end
    i = i + 1
  end
end

-- complex numbers { re, im }
local function times(a, b) return { a[1] * b[1] - a[2] * b[2], a[1] * b[2] + a[2] * b[1] } end
local function over(a, b)
  local size = b[1] * b[1] + b[2] * b[2]
  return { (a[1] * b[1] + a[2] * b[2]) / size, (a[2] * b[1] - a[1] * b[2]) / size }
end
local function minus(a, b) return { a[1] - b[1], a[2] - b[2] } end
local function size(a) return math.sqrt(a[1] * a[1] + a[2] * a[2]) end
local function power(a, p) -- for a real p
  local r, angle = size(a) ^ p, math.atan(a[2], a[1]) * p
  return { r * math.cos(angle), r * math.sin(angle) }
end

-- R(z): the Taylor polynomial of exp for these, a fraction for the trapezoidal rule
local degree = { euler = 1, midpoint = 2, rk4 = 4 }
local function stability(scheme, z)
  if scheme == "trapezoid" then
    return over({ 1 + z[1] / 2, z[2] / 2 }, { 1 - z[1] / 2, -z[2] / 2 })
  end
  local term, sum = { 1, 0 }, { 1, 0 }
  for k = 1, degree[scheme] do
    term = times(term, { z[1] / k, z[2] / k })
    sum = { sum[1] + term[1], sum[2] + term[2] }
  end
  return sum
end

-- Newton's method for R(dt lambda) = exp(i dt), from lambda = i
local function predicted(scheme, dt)
  local lambda, target = { 0, 1 }, { math.cos(dt), math.sin(dt) }
  for _ = 1, 50 do
    local e = 1e-7
    local here = stability(scheme, { dt * lambda[1], dt * lambda[2] })
    local there = stability(scheme, { dt * (lambda[1] + e), dt * lambda[2] })
    local slope = minus(there, here)
    local step = over(minus(here, target), { slope[1] / e, slope[2] / e })
    lambda = minus(lambda, step)
  end
  return lambda
end

local T = 2
-- |R(h lambda)^n - exp(i T)| in n whole steps, T / h or next to it, a half rounded down
local function error_at(scheme, lambda, h)
  local n = math.ceil(T / h - 0.5 - 1e-9)
  h = T / n
  return size(minus(power(stability(scheme, { h * lambda[1], h * lambda[2] }), n),
                    { math.cos(T), math.sin(T) }))
end
local function floor_of(lambda) -- h to 0
  local r = math.exp(T * lambda[1])
  return size(minus({ r * math.cos(T * lambda[2]), r * math.sin(T * lambda[2]) },
                    { math.cos(T), math.sin(T) }))
end

local function pairs_of(dt)
  return cn.data.system{ system = "oscillator", y0 = { 0, 1 }, t1 = 50, dt = dt, valid = 0 }
end

local function fit(net, data, name)
  local job = cn.train{
    net = net, data = data, name = name, epochs = quick and 600 or 1000, batch = #data.train,
    optimizer = cn.optim.adam{ lr = 0.05 }, seed = seed, probe = false, checkpoint_every = 0,
    schedule = cn.schedule.step{ at = { 200, 400, 500 }, factor = 0.3 },
  }:wait()
  if job.state ~= "done" then
    error(("oscillator: %s was %s: %s"):format(name, job.state, job.message), 0)
  end
end

-- The eigenvalue of positive imaginary part of the matrix that was learned.
local function learned(scheme, dt)
  local net, data
  if scheme == "trapezoid" then
    -- x1 - x0 = dt A (x0 + x1) / 2 asks nothing of a solver: it is a fit of a matrix to midpoints
    local t, x, slopes = pairs_of(dt), {}, {}
    local from, to = t.train:inputs():data(), t.train:targets():data()
    for i = 1, #from, 2 do
      x[#x + 1] = { (from[i] + to[i]) / 2, (from[i + 1] + to[i + 1]) / 2 }
      slopes[#slopes + 1] = { (to[i] - from[i]) / dt, (to[i + 1] - from[i + 1]) / dt }
    end
    data = cn.data.memory{ x = x, targets = slopes }
    net = cn.net.dynamics{ state = 2, dt = dt, model = "matrix", seed = seed }
  else
    data = pairs_of(dt)
    net = cn.net.dynamics{ state = 2, dt = dt, model = "linear", scheme = scheme, seed = seed }
  end
  fit(net, data, ("oscillator-%s-%g"):format(scheme, dt))
  local _, matrix = next(net:parameters())
  local a = matrix:data()
  local half = (a[1] + a[4]) / 2
  local square = a[1] * a[4] - a[2] * a[3] - half * half
  return { half, math.sqrt(math.max(square, 0)) }
end

local failures = {}
local function expect(good, format, ...)
  if not good then failures[#failures + 1] = format:format(...) end
end

-- as published for this problem, by the closed form: floor, E(dt / 2), E(2 dt)
local rows = {
  { "euler", 0.1, 9.51e-2, 4.88e-2, 1.05e-1 },
  { "euler", 0.05, 4.88e-2, 2.47e-2, 5.12e-2 },
  { "midpoint", 0.1, 3.32e-3, 2.49e-3, 9.96e-3 },
  { "rk4", 0.4, 4.26e-4, 4.00e-4, 1.61e-2 },
  { "rk4", 0.1, 1.67e-6, 1.56e-6, 2.50e-5 },
  { "trapezoid", 0.1, 1.67e-3, 1.25e-3, 4.98e-3 },
}
local known = {}
local function lambda_of(scheme, dt)
  local key = scheme .. dt
  known[key] = known[key] or learned(scheme, dt)
  return known[key]
end

print "A linear field fitted to states of the oscillator dt apart; errors at T = 2 by its own scheme"
print "trained in    dt   lambda learned               |lambda - i|  E(h->0)   E(dt/2)   E(dt)     E(2 dt)"
for _, row in ipairs(rows) do
  local scheme, dt = row[1], row[2]
  local lambda = lambda_of(scheme, dt)
  local closed = predicted(scheme, dt)
  local errors = { floor_of(lambda), error_at(scheme, lambda, dt / 2), error_at(scheme, lambda, dt),
                   error_at(scheme, lambda, 2 * dt) }
  print(("%-10s %5g   %+.9f %+.9fi   %9.3e   %8.2e  %8.2e  %8.2e  %8.2e"):format(
    scheme, dt, lambda[1], lambda[2], size(minus(lambda, { 0, 1 })), table.unpack(errors)))
  expect(size(minus(lambda, closed)) < 1e-5 * size(minus(closed, { 0, 1 })) + 1e-9,
         "%s at dt = %g: learned %.9g%+.9gi, the closed form says %.9g%+.9gi", scheme, dt,
         lambda[1], lambda[2], closed[1], closed[2])
  expect(errors[3] < 1e-8, "%s at dt = %g: the error at dt is %.2e, not 0", scheme, dt, errors[3])
  for i, number in ipairs{ errors[1], errors[2], errors[4] } do
    local published = row[2 + i]
    expect(math.abs(number - published) < 0.01 * published,
           "%s at dt = %g: %.3e beside the published %.3e", scheme, dt, number, published)
  end
end

print "\norder of |lambda - i| in dt"
local steps = quick and { 0.4, 0.1 } or { 0.4, 0.2, 0.1, 0.05 }
for _, theory in ipairs{ { "euler", 1 }, { "midpoint", 2 }, { "rk4", 4 }, { "trapezoid", 2 } } do
  local scheme, order = theory[1], theory[2]
  local n, sx, sy, sxx, sxy = 0, 0, 0, 0, 0
  for _, dt in ipairs(steps) do
    local x, y = math.log(dt), math.log(size(minus(lambda_of(scheme, dt), { 0, 1 })))
    n, sx, sy, sxx, sxy = n + 1, sx + x, sy + y, sxx + x * x, sxy + x * y
  end
  local slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
  print(("%-10s %.3f of %d"):format(scheme, slope, order))
  expect(math.abs(slope - order) < 0.05, "%s: the order is %.3f, not %d", scheme, slope, order)
end

-- without a scheme, the map of the interval itself
do
  local dt = 0.1
  local net = cn.net.dynamics{ state = 2, dt = dt, model = "matrix", seed = seed }
  fit(net, pairs_of(dt), "oscillator-matrix")
  local a = select(2, next(net:parameters())):data()
  local away = math.max(math.abs(a[1] - math.cos(dt)), math.abs(a[2] - math.sin(dt)),
                        math.abs(a[3] + math.sin(dt)), math.abs(a[4] - math.cos(dt)))
  print(("\nfree matrix, dt = %g: exp(dt A) to %.1e"):format(dt, away))
  expect(away < 1e-8, "the free matrix is %.1e away from exp(dt A)", away)
end

if #failures > 0 then
  print("\nNOT as theory says:\n  " .. table.concat(failures, "\n  "))
  os.exit(3, true)
end
print "\nall as theory says"
