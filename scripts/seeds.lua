-- The main job over several seeds: how far the accuracy of an Euler-trained and of an RK4-trained
-- net moves when the same weights are integrated otherwise. On the 5,000 validation images, with
-- the settings of scripts/quickstart.lua but without weight decay, where the gap varies most.
--
--     continuo run scripts/seeds.lua [SEEDS]        (default 4)

local seeds = tonumber(arg[1] or 4) or error("seeds: how many seeds is not a number: " .. arg[1], 0)
local data = cn.data.fashion_mnist{}
local schemes, steps = { "euler", "midpoint", "rk4" }, { 1, 2, 4 }

print("trained  seed   as trained   euler 2  euler 4  midpoint 4   rk4 1   rk4 4   gap to rk4 4")
for seed = 1, seeds do
  for _, scheme in ipairs{ "euler", "rk4" } do
    local net = cn.net.continuous{ input = { 1, 28, 28 }, classes = 10, width = 8, scheme = scheme,
                                   steps = 1, nodes = 1, seed = seed }
    local job = cn.train{
      net = net, data = data, name = ("%s-seed%d"):format(scheme, seed), epochs = 1, batch = 128,
      optimizer = cn.optim.sgd{ lr = 0.1, momentum = 0.9 },
      schedule = cn.schedule.one_cycle{ peak = 0.1 }, seed = seed,
    }
    job:wait()
    local t = cn.sweep{ net = net, data = data.valid, schemes = schemes, steps = steps }
    local function percent(cell) return 100 * cell.accuracy end
    print(("%-8s %4d %12.2f %9.2f %8.2f %11.2f %7.2f %7.2f %14.2f"):format(
      scheme, seed, percent(t[scheme][1]), percent(t.euler[2]), percent(t.euler[4]),
      percent(t.midpoint[4]), percent(t.rk4[1]), percent(t.rk4[4]),
      percent(t[scheme][1]) - percent(t.rk4[4])))
  end
end
