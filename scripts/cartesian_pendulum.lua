-- What several schemes in one loss do to the field that is learned. An MLP 4-50-4 with relu reads
-- the pendulum by its place and velocity, (x, y, vx, vy), which no net is told to keep on the
-- circle, and predicts the next of states dt = 10/999 apart: by one scheme, or by several at once
-- that share the weights and whose losses are added. Euler's scheme wants another field than the
-- others: alone it gets it, among them it spoils theirs. Midpoint and rk4 want nearly the same, and
-- do each other no harm; that they help each other was published, but in the notebook what is
-- called rk4 was trained with all three.
--
--     continuo run scripts/cartesian_pendulum.lua [--quick] [--seeds N] [--iterations N]
--
-- Prints errors over T = 5 with steps of dt by euler, midpoint and rk4, medians of seeds, beside
-- those published (Queiruga et al. 2020, notebooks of the code); the error is the published one,
-- the norm of all differences over the number of states. Batches of 50, Adam; the rate, which is
-- not published, falls from 1e-3 by half a cosine. The full form takes 5 seeds and 100,000
-- iterations, --quick two and 20,000. Status 3 when the claim does not hold.

local options = { seeds = 5, iterations = 100000 }
do
  local given = {}
  local i = 1
  while i <= #arg do
    local name = arg[i]:match "^%-%-(%w+)$"
    local number = math.tointeger(tonumber(arg[i + 1]))
    if name == "quick" then
      options = { seeds = 2, iterations = 20000 }
    elseif options[name or ""] and number and number > 0 then
      given[name], i = number, i + 1
    else
      error(("cartesian_pendulum: %s is not an option; there are --quick, --seeds N and "
             .. "--iterations N"):format(arg[i]), 0)
    end
    i = i + 1
  end
  for name, number in pairs(given) do options[name] = number end
end

local system = cn.ode.system "cartesian_pendulum"
local data = cn.data.system{ system = system, t1 = 10, count = 1000, valid = 0 }
local dt, intervals = data.config.dt, 499 -- to T = 5, or next to it
local solvers = { "euler", "midpoint", "rk4" }

-- the schemes of the loss, and the published errors with each of the solvers
local rows = {
  { { "euler" }, { 0.0020, 0.0479, 0.0477 } },
  { { "midpoint" } },
  { { "rk4" } },
  { { "midpoint", "rk4" }, { 0.0649, 0.00135, 0.00111 } },
  { { "euler", "midpoint", "rk4" }, { 0.0708, 0.0382, 0.0384 } },
}
local published_truth = { 0 / 0, 0.111, 6.5e-5 }

local truth
do
  local times = {}
  for i = 0, intervals do times[i + 1] = i * dt end
  truth = system:reference{ times = times }:data()
end

-- The error of `what`, { net = } or { system = }, with steps of dt by a scheme.
local function error_of(what, scheme)
  local s = cn.ode.solve{ net = what.net, system = what.system, y0 = system.y0, scheme = scheme,
                          t1 = intervals * dt, steps = intervals }
  local sum = 0
  for i, y in ipairs(s.y) do
    for j = 1, 4 do sum = sum + (y[j] - truth[4 * (i - 1) + j]) ^ 2 end
  end
  return math.sqrt(sum) / #s.y
end

local function trained(schemes, seed)
  local losses = {}
  for i, scheme in ipairs(schemes) do losses[i] = { scheme = scheme } end
  local net = cn.net.dynamics{ state = 4, dt = dt, hidden = 50, act = "relu",
                               scheme = schemes[#schemes], seed = seed }
  local job = cn.train{
    net = net, data = data, schemes = losses, seed = seed, batch = 50,
    name = ("cartesian-%s-%d"):format(table.concat(schemes, "-"), seed),
    epochs = options.iterations / math.ceil(#data.train / 50),
    optimizer = cn.optim.adam{ lr = 1e-3 }, schedule = cn.schedule.cosine{},
    probe = false, convergence = false, checkpoint_every = 0,
  }:wait()
  if job.state ~= "done" then
    error(("cartesian_pendulum: %s was %s: %s"):format(job.name, job.state, job.message), 0)
  end
  return net
end

local function median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local n = #sorted
  return n % 2 == 1 and sorted[n // 2 + 1] or (sorted[n // 2] + sorted[n // 2 + 1]) / 2
end

local failures = {}
local function expect(good, format, ...)
  if not good then failures[#failures + 1] = format:format(...) end
end

local found = {}
for i, row in ipairs(rows) do
  local of = { euler = {}, midpoint = {}, rk4 = {} }
  for seed = 1, options.seeds do
    local net = trained(row[1], seed)
    for _, solver in ipairs(solvers) do of[solver][seed] = error_of({ net = net }, solver) end
  end
  found[i] = { name = table.concat(row[1], "+"), published = row[2] }
  for _, solver in ipairs(solvers) do
    local list = of[solver]
    found[i][solver] = { list = list, median = median(list), least = math.min(table.unpack(list)),
                         most = math.max(table.unpack(list)) }
  end
end

local function number(x) return x == x and ("%8.2e"):format(x) or "overflow" end
local function numbers(a, b, c) return ("%s  %s  %s"):format(number(a), number(b), number(c)) end

print(("\nError over T = 5 with steps of dt = %.5f; medians of %d seed%s, %d iterations")
      :format(dt, options.seeds, options.seeds == 1 and "" or "s", options.iterations))
print("schemes of the loss    euler     midpoint  rk4       rk4, of the seeds     "
      .. "published: euler, midpoint, rk4")
for _, r in ipairs(found) do
  print(("%-20s   %s  %8.2e..%8.2e    %s"):format(
    r.name, numbers(r.euler.median, r.midpoint.median, r.rk4.median), r.rk4.least, r.rk4.most,
    r.published and numbers(table.unpack(r.published)) or "-"))
end
local exact = {}
for i, solver in ipairs(solvers) do exact[i] = error_of({ system = system }, solver) end
print(("%-20s   %s  %-18s    %s"):format("the true field", numbers(table.unpack(exact)), "",
      numbers(table.unpack(published_truth))))

local euler, midpoint, rk4, two, three = table.unpack(found)
print "\nmidpoint+rk4 over the better one of midpoint and rk4 alone, seed by seed"
for _, solver in ipairs{ "midpoint", "rk4" } do
  local ratios = {}
  for seed, value in ipairs(two[solver].list) do
    ratios[seed] = value / math.min(midpoint[solver].list[seed], rk4[solver].list[seed])
  end
  local least, most = math.min(table.unpack(ratios)), math.max(table.unpack(ratios))
  print(("by %-8s  median %.2f, from %.2f to %.2f: %s"):format(solver, median(ratios), least, most,
        median(ratios) < 0.8 and "it helps" or "it does not help"))
  expect(median(ratios) < 3, "by %s: midpoint+rk4 has %.2f times the error of the better one "
         .. "alone, not less than 3", solver, median(ratios))
end

-- the error is the published one, where no net has part in it
expect(exact[1] ~= exact[1], "the true field by euler: %.3e, published: not a number", exact[1])
for i = 2, 3 do
  expect(math.abs(exact[i] / published_truth[i] - 1) < 0.1, "the true field by %s: %.3e, published "
         .. "%.3e", solvers[i], exact[i], published_truth[i])
end
expect(10 * euler.euler.median < euler.rk4.median,
       "trained in euler: %.2e by euler, by rk4 %.2e, not ten times as much",
       euler.euler.median, euler.rk4.median)
for i = 2, 3 do
  local solver = solvers[i]
  local good, bad, known = two[solver].median, three[solver].median, three.published[i]
  expect(8 * good < bad, "by %s: euler in the loss makes %.2e of %.2e, not eight times as much",
         solver, bad, good)
  expect(bad < 3 * known and bad > known / 3,
         "%s by %s: %.2e is not within a factor 3 of the published %.2e", three.name, solver, bad,
         known)
  expect(good < 3 * two.published[i], "%s by %s: %.2e is above three times the published %.2e",
         two.name, solver, good, two.published[i])
end

if #failures > 0 then
  print("\nNOT as claimed:\n  " .. table.concat(failures, "\n  "))
  os.exit(3, true)
end
print "\nall as claimed"
