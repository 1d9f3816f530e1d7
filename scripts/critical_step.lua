-- The critical step: a net with an ODE block can be trained with steps so coarse that what it has
-- learned is no flow, and only works with those steps. Three concentric rings in two classes, a
-- field of dense layers on the plane with one more dimension, inside Euler's scheme (Ott et al.,
-- "ResNet after all?", ICLR 2021).
--
--     continuo run scripts/critical_step.lua [--quick] [--seeds N]      (default 5 seeds; quick: 1)
--
-- For fixed numbers of steps N the table has the test accuracy as trained, and what becomes of it
-- under Euler, midpoint and RK4 with half the step, the step and twice the step: `drop` is how much
-- is lost, at worst, with schemes and steps as accurate as the trained ones or more, so that a net
-- that drops is none of an ODE; `spread` is the difference between the best and the worst of all
-- nine, Euler with twice the step among them. Then the same net begins with one step of Euler's,
-- and the published rule, or one by distances of states behind the block, changes N while it trains.
-- Ends with status 3 when one of these does not come true:
--   1. Trained with one step, the net classifies, and drops by more than 0.2 (every seed).
--   2. Trained with the finest of the fixed steps it drops by less than 0.1 (the median).
--   3. Steered by the published rule it classifies and drops by less than 0.1 (every seed), and
--      all nine agree within 0.1 (the median).
--   4. Steered by distances of states it classifies and drops by less than 0.1 (the median).
-- --quick leaves out most of the fixed numbers, and the distances, which make N large.

local quick, seeds = false, nil
do
  local i = 1
  while i <= #arg do
    if arg[i] == "--quick" then
      quick = true
    elseif arg[i] == "--seeds" and math.tointeger(tonumber(arg[i + 1])) then
      seeds, i = math.tointeger(tonumber(arg[i + 1])), i + 1
    else
      error(("critical_step: %s is not an option; there are --quick and --seeds N"):format(arg[i]), 0)
    end
    i = i + 1
  end
end
seeds = seeds or (quick and 1 or 5)
local fixed = quick and { 1, 16 } or { 1, 2, 4, 8, 16, 32 }
local schemes, accurate = { "euler", "midpoint", "rk4" }, 0.95

local function train(seed, steps, control, name)
  local data = cn.data.rings{ count = 2000, test = 1000, seed = seed }
  local net = cn.net.mlp{ input = { 2 }, outputs = 2, hidden = 64, augment = 1, act = "relu",
                          scheme = "euler", steps = steps, seed = seed }
  local job = cn.train{
    net = net, data = data, name = name, epochs = 250, batch = 128, seed = seed,
    optimizer = cn.optim.adam{ lr = 0.003 }, schedule = cn.schedule.cosine{}, control = control,
    probe = false, checkpoint_every = 0,
  }:wait()
  if job.state ~= "done" then
    error(("critical_step: %s was %s: %s"):format(name, job.state, job.message), 0)
  end
  return job, net, data
end

-- The accuracy as trained with n steps, the drop, and the spread over all nine ways to run it.
local function judge(net, data, n)
  local function accuracy(scheme, steps)
    return net:evaluate(data.test, { scheme = scheme, steps = steps }).accuracy
  end
  local own = accuracy("euler", n)
  local low, high, finer = own, own, own
  for _, scheme in ipairs(schemes) do
    for _, steps in ipairs{ 2 * n, n, (n + 1) // 2 } do
      local now = accuracy(scheme, steps)
      low, high = math.min(low, now), math.max(high, now)
      finer = steps >= n and math.min(finer, now) or finer
    end
  end
  return { n = n, own = own, drop = own - finer, spread = high - low }
end

local function median(list, name)
  local values = {}
  for i, row in ipairs(list) do values[i] = row[name] end
  table.sort(values)
  local half = (#values + 1) // 2
  return (values[half] + values[#values + 1 - half]) / 2, values[1], values[#values]
end

local failures = {}
local function expect(good, format, ...)
  if not good then failures[#failures + 1] = format:format(...) end
end

local function show(what, rows)
  local own = median(rows, "own")
  local drop, drop_least, drop_most = median(rows, "drop")
  local spread, _, spread_most = median(rows, "spread")
  local n, least, most = median(rows, "n")
  print(("%-22s %5g %5g..%-5g %8.3f %8.3f %6.3f..%-6.3f %8.3f %8.3f"):format(
    what, n, least, most, own, drop, drop_least, drop_most, spread, spread_most))
end

print(("Concentric rings, Euler, %d seed%s: median, least and most"):format(seeds, seeds == 1 and "" or "s"))
print "                           N             accuracy     drop                     spread     most"
for _, n in ipairs(fixed) do
  local rows = {}
  for seed = 1, seeds do
    local _, net, data = train(seed, n, nil, ("fixed-%d-seed%d"):format(n, seed))
    rows[seed] = judge(net, data, n)
    if n == 1 then
      local row = rows[seed]
      expect(row.own > accurate and row.drop > 0.2,
             "1: seed %d with one step: accuracy %.3f, drop %.3f", seed, row.own, row.drop)
    end
  end
  show("fixed", rows)
  if n == fixed[#fixed] then
    expect(median(rows, "drop") < 0.1, "2: with %d steps the drop is %.3f", n, median(rows, "drop"))
  end
end

local function steer(name, control)
  local rows, list = {}, nil
  for seed = 1, seeds do
    local job, net, data = train(seed, 1, control, ("%s-seed%d"):format(control.rule, seed))
    local controls = job.history.controls
    rows[seed] = judge(net, data, controls[#controls].to)
    list = list or controls
  end
  show(name, rows)
  return rows, list
end

local rows, example = steer("accuracies (published)", { rule = "ott", start = "net" })
for seed, row in ipairs(rows) do
  expect(row.own > accurate and row.drop < 0.1,
         "3: published rule, seed %d: %d steps, accuracy %.3f, drop %.3f", seed, row.n, row.own,
         row.drop)
end
expect(median(rows, "spread") < 0.1, "3: published rule: a spread of %.3f", median(rows, "spread"))
if not quick then
  rows = steer("distances of states", { rule = "distance", threshold = 0.5 })
  expect(median(rows, "own") > accurate and median(rows, "drop") < 0.1,
         "4: distances: accuracy %.3f, drop %.3f", median(rows, "own"), median(rows, "drop"))
end

print "\ndecisions of the published rule that changed something, seed 1"
local shown = 0
for _, c in ipairs(example) do
  if c.from ~= c.to and shown < 12 then
    print(("  step %4d   N %3d -> %-3d  %s"):format(c.step, c.from, c.to, c.text))
    shown = shown + 1
  end
end

if #failures > 0 then
  print("\nNOT as it should be:\n  " .. table.concat(failures, "\n  "))
  os.exit(3, true)
end
print "\nall as it should be"
