-- Accuracy of the ContinuousNet of Queiruga et al. 2020 on Fashion-MNIST: A = 16, K = 2, Euler with
-- 2 steps, batch 128, SGD 0.1 / 0.9 / 5e-4, three epochs, rate x 0.1 in the third, no augmentation,
-- all 60,000 training images. The authors' code reaches 87.1, 89.8, 92.2 % test accuracy after the
-- three epochs (one seed).
--
--     continuo run scripts/fashion.lua [--seeds N] [--scheme NAME] [--limit IMAGES]

local options = { seeds = 3, scheme = "euler", limit = 0 }
for i = 1, #arg, 2 do
  local name = arg[i]:match "^%-%-(%w+)$"
  if options[name or ""] == nil or not arg[i + 1] then
    error(("fashion: %s is not an option; there are --seeds N, --scheme NAME, --limit IMAGES")
          :format(arg[i]), 0)
  end
  options[name] = tonumber(arg[i + 1]) or arg[i + 1]
end

-- The published protocol trains on all 60,000 images, so no validation part is held out here.
local data = cn.data.fashion_mnist{ limit = options.limit > 0 and options.limit or nil, valid = 0 }
print(("%d training images, %d test images, scheme %s"):format(#data.train, #data.test,
                                                             options.scheme))
local final = {}
for seed = 1, options.seeds do
  local net = cn.net.continuous{ input = { 1, 28, 28 }, classes = 10, width = 16,
                                 scheme = options.scheme, steps = 2, nodes = 2, seed = seed }
  local job = cn.train{
    net = net, data = data, name = ("fashion-%s-seed%d"):format(options.scheme, seed), epochs = 3,
    batch = 128, optimizer = cn.optim.sgd{ lr = 0.1, momentum = 0.9, weight_decay = 5e-4 },
    schedule = cn.schedule.step{ at = { 2 }, factor = 0.1 }, seed = seed,
  }
  job:wait()
  local result = net:evaluate(data.test)
  final[#final + 1] = 100 * result.accuracy
  print(("seed %d: %.2f %% of %d test images, loss %.4f; %s; %.0f ms a step; %s"):format(
    seed, 100 * result.accuracy, result.count, result.loss, job.state, 1e3 * job.step_seconds,
    job.path))
end
local sum, low, high = 0, 100, 0
for _, accuracy in ipairs(final) do
  sum, low, high = sum + accuracy, math.min(low, accuracy), math.max(high, accuracy)
end
print(("mean of %d seeds: %.2f %% (%.2f to %.2f); published code: 92.2 %% (one seed)"):format(
  #final, sum / #final, low, high))
