-- A field that reads the time, and what it is good for between the data. Nets learn the double
-- gyre, y' = R(t, y), from paths of particles seen at random times, about dt = 0.5 apart, inside
-- euler, midpoint or rk4; samples hold t and their own interval. All predict new particles by steps
-- such as those of the data, regular or not, and the one trained in euler does so better than the
-- true field by euler. But smaller steps and better schemes, which make the true field exact, make
-- it worse: it is no flow. To the one trained in rk4 they make no difference.
--
--     continuo run scripts/double_gyre.lua [--quick] [--seeds N] [--iterations N]
--
-- Prints errors of paths over 5 units of time, half a period of the flow (root mean square over the
-- states of particles that start where none of the data does; the basin is 2 wide), medians of
-- seeds: in steps of dt, and in irregular ones, by the scheme of the training; finer, in steps of
-- dt / 10, compared at all of them; in these by rk4; and how many passed the convergence test. A
-- seed draws particles, times and weights. The full form takes 5 seeds and 3000 iterations of
-- L-BFGS, --quick two and 1000. Status 3 when the claim does not hold.

local options = { seeds = 5, iterations = 3000 }
do
  local given = {}
  local i = 1
  while i <= #arg do
    local name = arg[i]:match "^%-%-(%w+)$"
    local number = math.tointeger(tonumber(arg[i + 1]))
    if name == "quick" then
      options = { seeds = 2, iterations = 1000 }
    elseif options[name or ""] and number and number > 0 then
      given[name], i = number, i + 1
    else
      error(("double_gyre: %s is not an option; there are --quick, --seeds N and --iterations N")
            :format(arg[i]), 0)
    end
    i = i + 1
  end
  for name, number in pairs(given) do options[name] = number end
end

local system = cn.ode.system "double_gyre"
local dt, t0, T = 0.5, -2.5, 5
local new = { { 0.5, 0.25 }, { 1.3, 0.6 }, { 0.3, 0.7 }, { 1.6, 0.3 }, { 0.8, 0.2 } }

-- ---- errors ------------------------------------------------------------------------------------

local function even(h)
  local times = {}
  for i = 0, math.floor(T / h + 0.5) do times[i + 1] = t0 + i * h end
  return times
end

local random_times = { t0 }
do
  math.randomseed(20, 8)
  local t = t0
  while t < t0 + T do
    t = t + dt * (0.5 + math.random())
    random_times[#random_times + 1] = t
  end
end

-- One step of a scheme, its own or the one that is named, from each time to the next.
local tests = {
  { name = "dt", times = even(dt) },
  { name = "irregular", times = random_times },
  { name = "finer", times = even(dt / 10) },
  { name = "rk4", times = even(dt / 10), scheme = "rk4" },
}
for _, test in ipairs(tests) do
  test.truth = {}
  for i, y0 in ipairs(new) do
    test.truth[i] = system:reference{ y0 = y0, t0 = t0, times = test.times }:data()
  end
end

local function error_of(field, scheme, test)
  local sum, count, times = 0, 0, test.times
  for k, y in ipairs(new) do
    for i = 2, #times do
      y = cn.ode.solve{ net = field.net, system = field.system, scheme = test.scheme or scheme,
                        y0 = y, t0 = times[i - 1], t1 = times[i], steps = 1 }.y[2]
      sum = sum + (y[1] - test.truth[k][2 * i - 1]) ^ 2 + (y[2] - test.truth[k][2 * i]) ^ 2
      count = count + 1
    end
  end
  return math.sqrt(sum / count)
end

-- ---- training ----------------------------------------------------------------------------------

local function median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local n = #sorted
  return n % 2 == 1 and sorted[n // 2 + 1] or (sorted[n // 2] + sorted[n // 2 + 1]) / 2
end

local function trained(scheme, seed)
  local data = cn.data.system{
    system = system, dt = dt, t0 = t0, t1 = t0 + T, times = "irregular", seed = seed, valid = 0,
    ranges = { { 0.05, 1.95 }, { 0.05, 0.95 } }, trajectories = 100 }
  local net = cn.net.dynamics{
    state = 2, dt = dt, hidden = 20, layers = 2, scheme = scheme, times = "given", time = true,
    seed = seed }
  local job = cn.train{
    net = net, data = data, seed = seed, batch = #data.train,
    name = ("gyre-%s-%d"):format(scheme, seed), epochs = options.iterations,
    optimizer = cn.optim.lbfgs{ history = 40 },
    probe = false, convergence = false, checkpoint_every = 0,
  }:wait()
  if job.state ~= "done" then
    error(("double_gyre: %s was %s: %s"):format(job.name, job.state, job.message), 0)
  end
  return net
end

local schemes = { "euler", "midpoint", "rk4" }
local row_of = {}
for _, scheme in ipairs(schemes) do
  local row, lists = { passed = 0 }, {}
  for seed = 1, options.seeds do
    local net = trained(scheme, seed)
    for i, test in ipairs(tests) do
      lists[i] = lists[i] or {}
      lists[i][seed] = error_of({ net = net }, scheme, test)
    end
    local verdict = cn.verdict{ system = system, net = net, y0 = new, t0 = t0, t1 = t0 + T }
    row.passed = row.passed + (verdict.pass and 1 or 0)
  end
  for i, test in ipairs(tests) do row[test.name] = median(lists[i]) end
  row_of[scheme] = row
end

-- ---- the table, and what is claimed ------------------------------------------------------------

print(("\nDouble gyre, errors over T = %d; medians of %d seed%s, %d iterations")
      :format(T, options.seeds, options.seeds == 1 and "" or "s", options.iterations))
print "field       in         steps of dt  irregular  finer     by rk4    passed"
local function print_row(field, scheme, row, passed)
  print((("%-11s %-9s  %8.2e     %8.2e   %8.2e  %8.2e  %s"):format(
    field, scheme, row.dt, row.irregular, row.finer, row.rk4, passed):gsub(" +$", "")))
end
for _, scheme in ipairs(schemes) do
  print_row("learned", scheme, row_of[scheme],
            ("%d/%d"):format(row_of[scheme].passed, options.seeds))
end
for _, scheme in ipairs(schemes) do
  local row = {}
  for _, test in ipairs(tests) do row[test.name] = error_of({ system = system }, scheme, test) end
  row_of["true " .. scheme] = row
  print_row("true field", scheme, row, "")
end

local failures = {}
local function expect(good, format, ...)
  if not good then failures[#failures + 1] = format:format(...) end
end

local euler, rk4, exact = row_of.euler, row_of.rk4, row_of["true euler"]
expect(2 * euler.dt < exact.dt, "euler in steps of dt: learned %.2e, true %.2e, not twice that",
       euler.dt, exact.dt)
expect(euler.finer > 1.5 * euler.dt, "euler: finer %.2e, not half as much again as %.2e at dt",
       euler.finer, euler.dt)
expect(euler.finer > 3 * exact.finer, "euler, finer: learned %.2e, not three times the true %.2e",
       euler.finer, exact.finer)
expect(euler.rk4 > 3 * rk4.rk4, "by rk4: trained in euler %.2e, not three times rk4's %.2e",
       euler.rk4, rk4.rk4)
for _, test in ipairs{ "finer", "irregular" } do
  expect(rk4[test] < 1.5 * rk4.dt, "rk4: %s %.2e, above one and a half times the %.2e at dt", test,
         rk4[test], rk4.dt)
end
expect(euler.passed == 0, "trained in euler, %d passed", euler.passed)
expect(2 * rk4.passed > options.seeds, "trained in rk4, %d of %d passed", rk4.passed, options.seeds)

if #failures > 0 then
  print("\nNOT as claimed:\n  " .. table.concat(failures, "\n  "))
  os.exit(3, true)
end
print "\nall as claimed"
