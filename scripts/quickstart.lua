-- The main job: the same net trained twice on Fashion-MNIST, from the same initial weights: once
-- inside forward Euler with one step, once inside RK4 with one step. While they train, the screen
-- shows what each reaches when its weights are integrated by other schemes with other steps.
--
--     continuo run scripts/quickstart.lua [--seconds N] [--width N] [--seed N]
--
-- --seconds N   about this much training in all (default 80): sets how many epochs, at most 1 each
-- --width N     channels of the first stage (default 8)
-- --seed N      of the initial weights and of the order of the images (default 1)

local options = { seconds = 80, width = 8, seed = 1 }
do
  local i = 1
  while i <= #arg do
    local name, value = arg[i]:match "^%-%-(%w+)=?(.*)$"
    if not options[name or ""] then
      error(("quickstart: %s is not an option; there are --seconds N, --width N and --seed N"):format(arg[i]), 0)
    end
    if value == "" then i = i + 1; value = arg[i] end
    options[name] = tonumber(value)
    if not options[name] or options[name] <= 0 then
      error(("quickstart: --%s wants a positive number, not %s"):format(name, tostring(value)), 0)
    end
    i = i + 1
  end
end

local data = cn.data.fashion_mnist{}
local schemes, steps = { "euler", "midpoint", "rk4" }, { 1, 2, 4, 8, 16 }

local function new_net(scheme)
  return cn.net.continuous{ input = { 1, 28, 28 }, classes = 10, width = options.width // 1,
                            scheme = scheme, steps = 1, nodes = 1, seed = options.seed // 1 }
end
local nets = { euler = new_net "euler", rk4 = new_net "rk4" }

-- A training step costs about as much as evaluating its samples five times; both nets train for
-- the same number of epochs.
local epochs = 1
do
  local cost = 0
  for _, net in pairs(nets) do
    net:evaluate(data.valid, { count = 64 })
    cost = cost + 5 * net:evaluate(data.valid, { count = 512 }).seconds / 512
  end
  epochs = math.min(1, options.seconds / (cost * #data.train))
end

local jobs = {}
for _, scheme in ipairs{ "euler", "rk4" } do
  jobs[#jobs + 1] = cn.train{
    net = nets[scheme], data = data, name = scheme .. "-trained", epochs = epochs, batch = 128,
    optimizer = cn.optim.sgd{ lr = 0.1, momentum = 0.9, weight_decay = 5e-4 },
    schedule = cn.schedule.one_cycle{ peak = 0.1 },
    probe = { schemes = schemes, steps = steps, samples = 300, share = 0.1 }, -- of the time
    seed = options.seed // 1,
  }
end
for _, job in ipairs(jobs) do
  job:wait()
end

print(("Same weights, other schemes and steps: accuracy on the %d test images, [as trained]")
      :format(#data.test))
for _, job in ipairs(jobs) do
  if job.state ~= "done" then
    print(("\n%s was %s: %s"):format(job.name, job.state, job.message or ""))
  end
  local sweep = cn.sweep{ net = job.net, data = data, schemes = schemes, steps = steps }
  print(("\n%s (%.2f epochs, %.0f ms a step)"):format(job.name, epochs, job.step_seconds * 1e3))
  print(sweep)
  print(cn.verdict{ net = job.net, data = data, sweep = sweep, agreement_samples = 1000 })
end
print "\nRuns (continuo watch RUN shows them again):"
for _, job in ipairs(jobs) do
  print("  " .. job.path)
end
