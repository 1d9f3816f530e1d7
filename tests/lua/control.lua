-- the number of steps while a net trains: rules, and functions that are asked
local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local runs = os.tmpname()
os.remove(runs)
local d = cn.data.rings{ count = 500, test = 200 }
local function new_net()
  return cn.net.mlp{ input = { 2 }, outputs = 2, hidden = 16, augment = 1, scheme = "euler",
                     steps = 3, seed = 7 }
end
local function train(control, more)
  local options = { net = new_net(), data = d, epochs = 3, batch = 50, seed = 3, runs = runs,
                    probe = false, control = control }
  for key, value in pairs(more or {}) do options[key] = value end
  return cn.train(options)
end

-- blocks of different steps get the same before anything is planned for them
do
  local body = { { layer = "dense", out = 4 }, { layer = "tanh" } }
  local function block(steps)
    return { layer = "ode", body = body, steps = steps, scheme = "euler", field = "layers" }
  end
  local m = cn.net.stack{ input = { 2 }, layers = { { layer = "dense", out = 4 }, block(8), block(4),
                                                    { layer = "dense", out = 2 } } }
  local job = cn.train{ net = m, data = d, epochs = 1, batch = 50, runs = runs, probe = false,
                        control = { rule = "distance", every = 1000, start = "net" } }:wait()
  assert(job.state == "done" and job.net.steps == 8, job.message)
end

-- a rule: decisions at every fourth of 30 steps, in history, in the log and in the net
local job = train{ rule = "distance", every = 4, threshold = 1e-4, most = 50 }:wait()
local list = job.history.controls
assert(job.state == "done" and #list == 7, #list)
for i, c in ipairs(list) do
  assert(c.step == 4 * i and c.rule == "distance" and c.threshold == 1e-4)
  assert(c.from == (i == 1 and 3 or list[i - 1].to), "each begins where the last ended")
  assert(c.value > 1e-4 and c.to == (c.from <= 25 and 2 * c.from or math.ceil((c.from + 50) / 2)) or
         c.value <= 1e-4 and c.to <= c.from)
end
local last = list[#list].to
assert(last > 3 and job.net:evaluate(d.test).accuracy == job.net:evaluate(d.test, { steps = last }).accuracy)
assert(tostring(job.net):find("euler, " .. last .. " steps", 1, true))
local log = io.open(job.path .. "/log.txt"):read "a"
assert(log:find("step 4: N 3 -> 6: ", 1, true), log)
assert(cn.load(job.path .. "/checkpoints/final.safetensors"):evaluate(d.test).loss ==
       job.net:evaluate(d.test).loss)

-- Hairer's first number of steps is a decision before the first step
job = train{ rule = "ott", every = 1000 }:wait()
assert(#job.history.controls == 1 and job.history.controls[1].step == 0)

-- a function decides, on this thread, and is told what was measured
local seen = {}
job = train{ every = 10, decide = function(info)
  seen[#seen + 1] = info
  assert(info.job.state == "running")
  assert(info.job.net:evaluate(d.test, { count = 20 }).count == 20)
  return #seen == 1 and 8 or nil, "because"
end }
assert(job:wait().state == "done")
list = job.history.controls
assert(#seen == 2 and #list == 2 and seen[1].job == job)
assert(list[1].rule == "manual" and list[1].from == 3 and list[1].to == 8 and list[1].text == "because")
assert(list[2].from == 8 and list[2].to == 8)
assert(seen[1].step == 10 and seen[1].steps == 3 and seen[2].steps == 8 and seen[1].scheme == "euler")
assert(seen[1].test.scheme == "midpoint" and seen[1].test.steps == 13) -- 150^(1/2) is 12.2
assert(seen[1].loss > 0 and seen[1].accuracy >= 0 and seen[1].test.loss > 0 and seen[1].distance > 0)
assert(list[1].value == seen[1].distance or math.abs(list[1].value - seen[1].distance) < 1e-8)

-- what a function can do wrong keeps what there is
for _, case in ipairs{
  { function() error "no idea" end, "no idea" },
  { function() return 0.5 end, "it returned 0.5" },
  { function() return "many" end, "it returned many" },
  { function() return 1000 end, "the answer was 1000 steps, and there may be 500" },
} do
  warn "@off"
  job = train{ every = 20, decide = case[1] }:wait()
  warn "@on"
  list = job.history.controls
  assert(job.state == "done" and #list == 1 and list[1].to == 3)
  assert(list[1].text:find(case[2], 1, true), list[1].text)
end

-- nobody answers: after `patience` seconds all stays as it is
job = train{ every = 20, patience = 0.2, decide = function() return 9 end }
local limit = os.time() + 30
while job.state ~= "done" and os.time() < limit do end -- never waits
list = job.history.controls
assert(job.state == "done" and list[1].to == 3 and list[1].text:find "nobody answered")

-- stopped while it asks
job = train{ every = 5, patience = 1e6, decide = function() return 9 end }
while #job.history < 5 do end
job:stop()
assert(job.state == "stopped" and job.history.controls[1].text:find "stopped before an answer")

-- in a coroutine
job = train{ every = 20, decide = function() return 6 end }
coroutine.wrap(function() job:wait() end)()
assert(job.history.controls[1].to == 6)

refuses("\"control\" must be a table", function() train(true) end)
refuses("needs a function", function() train{ rule = "manual" } end)
refuses("takes no function", function() train{ rule = "ott", decide = print } end)
refuses("\"decide\" of control must be a function, not a number", function() train{ decide = 3 } end)
refuses("control: unknown option \"evry\"; nearest is \"every\"", function() train{ evry = 3 } end)
refuses("\"every\" is 0", function() train{ every = 0 } end)
assert(#cn.jobs() == 0)
os.execute("rm -rf '" .. runs .. "'")
