-- What a learned field is good for beyond the question it was trained on. Nets, and polynomials in
-- the state as a control, learn prey and predators from states dt = 0.1 apart, inside euler,
-- midpoint or rk4. In steps of dt all of them predict, from new initial states, too. Those trained
-- in rk4 also predict between the data and by irregular steps; those trained in euler are right at
-- dt and nowhere else, whatever the model, and data at irregular times are no cure. Outside of the
-- data no net knows anything, and a polynomial all, if its scheme did not spoil its coefficients.
--
--     continuo run scripts/lotka_volterra.lua [--quick] [--seeds N] [--iterations N]
--
-- Prints errors over T = 5 (root mean square over the states of several solutions, whose size is
-- about 3), medians of seeds: in steps of dt; finer, in steps of dt / 10, compared at all of them;
-- irregular, in steps drawn from dt / 2 to 3 dt / 2; farther, in fine steps from states outside of
-- all trajectories of the data; and how many passed the convergence test. Irregular data have
-- intervals drawn from the same range. A seed draws trajectories and weights. The full form takes 5
-- seeds and 3000 iterations of L-BFGS, --quick two and 1000. Status 3 when the claim does not hold.

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
      error(("lotka_volterra: %s is not an option; there are --quick, --seeds N and --iterations N")
            :format(arg[i]), 0)
    end
    i = i + 1
  end
  for name, number in pairs(given) do options[name] = number end
end

local system = cn.ode.system "lotka_volterra"
local dt, T = 0.1, 5
-- new states lie among the trajectories of the data; of the farther ones the solutions enclose them
local new = { { 2, 1 }, { 4, 2 }, { 1.5, 2.5 }, { 3, 0.8 } }
local farther = { { 0.7, 0.6 }, { 7, 4 } }

local function data_of(times, seed)
  return cn.data.system{ system = system, dt = dt, t1 = 10, times = times, seed = seed, valid = 0,
                         ranges = { { 1, 5 }, { 0.5, 3 } }, trajectories = 10 }
end

-- ---- errors ------------------------------------------------------------------------------------

local function even(h)
  local times = {}
  for i = 0, math.floor(T / h + 0.5) do times[i + 1] = i * h end
  return times
end

local random_times = { 0 }
do
  math.randomseed(20, 8)
  while random_times[#random_times] < T do
    random_times[#random_times + 1] = random_times[#random_times] + dt * (0.5 + math.random())
  end
end

-- The true states at `times` from each state of a list.
local function truth_of(states, times)
  local truth = { times = times, states = states }
  for i, y0 in ipairs(states) do
    truth[i] = system:reference{ y0 = y0, times = times }:data()
  end
  return truth
end

local tests = {
  { name = "dt", truth = truth_of(new, even(dt)) },
  { name = "finer", truth = truth_of(new, even(dt / 10)) },
  { name = "irregular", truth = truth_of(new, random_times) },
  { name = "farther", truth = truth_of(farther, even(dt / 10)) },
}

-- The error of a field with one step of a scheme from each time to the next.
local function error_of(field, scheme, truth)
  local sum, count, times = 0, 0, truth.times
  for k, y in ipairs(truth.states) do
    for i = 2, #times do
      y = cn.ode.solve{ net = field.net, system = field.system, scheme = scheme, y0 = y,
                        t0 = times[i - 1], t1 = times[i], steps = 1 }.y[2]
      sum = sum + (y[1] - truth[k][2 * i - 1]) ^ 2 + (y[2] - truth[k][2 * i]) ^ 2
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

local function trained(row, seed)
  local data = data_of(row.times, seed)
  local net = cn.net.dynamics{
    state = 2, dt = dt, model = row.model, hidden = 50, degree = 2, scheme = row.scheme,
    times = row.times == "irregular" and "given" or "uniform", seed = seed }
  local job = cn.train{
    net = net, data = data, seed = seed, batch = #data.train,
    name = ("lotka-%s-%s-%s-%d"):format(row.model, row.scheme, row.times, seed),
    epochs = row.model == "mlp" and options.iterations or 200,
    optimizer = cn.optim.lbfgs{ history = 30 },
    probe = false, convergence = false, checkpoint_every = 0,
  }:wait()
  if job.state ~= "done" then
    error(("lotka_volterra: %s was %s: %s"):format(job.name, job.state, job.message), 0)
  end
  return net
end

-- The largest distance of a polynomial's coefficients from the true ones.
local function coefficients_away(net)
  local p = system.parameters
  local truth = { { x1 = p.birth, ["x1 x2"] = -p.predation },
                  { x2 = -p.death, ["x1 x2"] = p.growth } }
  local terms, learned = net:terms(), net:parameters()["block1.fc1.weight"]:data()
  local away = 0
  for i = 1, 2 do
    for j, term in ipairs(terms) do
      away = math.max(away, math.abs(learned[#terms * (i - 1) + j] - (truth[i][term] or 0)))
    end
  end
  return away
end

local rows, row_of = {}, {}
for _, times in ipairs{ "uniform", "irregular" } do
  for _, model in ipairs{ "mlp", "polynomial" } do
    for _, scheme in ipairs{ "euler", "midpoint", "rk4" } do
      local row = { model = model, scheme = scheme, times = times, passed = 0,
                    name = ("%s in %s, %s data"):format(model, scheme, times) }
      local lists, away = {}, {}
      for seed = 1, options.seeds do
        local net = trained(row, seed)
        for i, test in ipairs(tests) do
          lists[i] = lists[i] or {}
          lists[i][seed] = error_of({ net = net }, scheme, test.truth)
        end
        away[seed] = model == "polynomial" and coefficients_away(net) or 0
        local verdict = cn.verdict{ system = system, net = net, y0 = new, t1 = T }
        row.passed = row.passed + (verdict.pass and 1 or 0)
      end
      for i, test in ipairs(tests) do row[test.name] = median(lists[i]) end
      row.away = median(away)
      rows[#rows + 1] = row
      row_of[model .. scheme .. times] = row
    end
  end
end

-- ---- the table, and what is claimed ------------------------------------------------------------

print(("\nPrey and predators, errors over T = %d; medians of %d seed%s, %d iterations")
      :format(T, options.seeds, options.seeds == 1 and "" or "s", options.iterations))
print("model       data       trained in  steps of dt  finer     irregular  farther   passed  "
      .. "coefficients off by")
local function print_row(model, data, scheme, row, passed, away)
  print((("%-11s %-10s %-10s  %8.2e     %8.2e  %8.2e   %8.2e  %-6s  %s"):format(
    model, data, scheme, row.dt, row.finer, row.irregular, row.farther, passed, away)
    :gsub(" +$", "")))
end
for _, row in ipairs(rows) do
  print_row(row.model, row.times, row.scheme, row, ("%d/%d"):format(row.passed, options.seeds),
            row.model == "polynomial" and ("%.2e"):format(row.away) or "-")
end
for _, scheme in ipairs{ "euler", "midpoint", "rk4" } do
  local row = {}
  for _, test in ipairs(tests) do
    row[test.name] = error_of({ system = system }, scheme, test.truth)
  end
  print_row("true field", "-", scheme, row, "", "")
end

local failures = {}
local function expect(good, format, ...)
  if not good then failures[#failures + 1] = format:format(...) end
end

for _, times in ipairs{ "uniform", "irregular" } do
  for _, model in ipairs{ "mlp", "polynomial" } do
    local bad, good = row_of[model .. "euler" .. times], row_of[model .. "rk4" .. times]
    expect(bad.passed == 0, "%s: %d passed", bad.name, bad.passed)
    expect(bad.finer > 3 * bad.dt, "%s: finer %.2e, not three times the %.2e at dt", bad.name,
           bad.finer, bad.dt)
    expect(bad.finer > 10 * good.finer, "%s: finer %.2e, not ten times rk4's %.2e", bad.name,
           bad.finer, good.finer)
    expect(times ~= "uniform" or bad.irregular > 2 * good.irregular,
           "%s: irregular %.2e, not twice rk4's %.2e", bad.name, bad.irregular, good.irregular)
  end
  local net, control = row_of["mlprk4" .. times], row_of["polynomialrk4" .. times]
  expect(2 * net.passed > options.seeds, "%s: %d of %d passed", net.name, net.passed,
         options.seeds)
  for _, test in ipairs{ "finer", "irregular" } do
    expect(net[test] < 2 * net.dt, "%s: %s %.2e, above twice the %.2e at dt", net.name, test,
           net[test], net.dt)
    expect(control[test] < 2e-3, "%s: %s %.2e, above 2e-3", control.name, test, control[test])
  end
  -- outside of the data a net knows nothing, and the right polynomial everything
  expect(control.farther < 0.02, "%s: farther %.2e, above 0.02", control.name, control.farther)
  expect(control.away < 1e-3, "%s: a coefficient is off by %.2e", control.name, control.away)
end

if #failures > 0 then
  print("\nNOT as claimed:\n  " .. table.concat(failures, "\n  "))
  os.exit(3, true)
end
print "\nall as claimed"
