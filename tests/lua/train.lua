local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local runs = os.tmpname()
os.remove(runs)

local d = cn.data.spirals{}
local function new_net()
    return cn.net.mlp{ input = { 2 }, outputs = 2, hidden = 8, steps = 2, scheme = "rk4", seed = 7 }
end
local function options(change)
    local o = { net = new_net(), data = d, epochs = 2, batch = 64, seed = 3, runs = runs, name = "test",
                optimizer = cn.optim.sgd{ lr = 0.1, momentum = 0.9 }, probe = false }
    for key, value in pairs(change or {}) do
        o[key] = value
    end
    return o
end

-- a run from start to end
local o = options{ schedule = cn.schedule.step{ at = { 1 }, factor = 0.5 },
                   probe = { schemes = { "euler", "rk4" }, steps = { 1, 2 }, samples = 50 } }
local job = cn.train(o)
assert(job.name == "test" and job.net == o.net and job.data == d and job.path:find(runs, 1, true))
assert(job:wait() == job and job.state == "done")
local steps = math.ceil(#d.train / 64) * 2
local h = job.history
assert(#h == steps and h[1].step == 1 and h[steps].step == steps)
assert(h[1].loss > 0 and h[1].rate == 0.1 and h[steps].rate == 0.05 and h[3].grad_norm > 0)
assert(h[steps].epoch == 2 and #h.evals >= 2 and h.evals[1].part == "valid")
assert(#h.probes >= 4 and h.probes[1].scheme and h.probes[1].steps)
assert(job.step_seconds > 0 and job.seconds > 0)
assert(tostring(job):find "done" and tostring(h):find(steps .. " steps"))
assert(#cn.jobs() == 0)
assert(o.net:evaluate(d.test).accuracy > 0.4)

-- commands.lua holds this very script
local commands = io.open(job.path .. "/commands.lua"):read "a"
assert(commands:find("commands.lua holds this very script", 1, true))

-- the same again is the same, bit for bit, whatever is done meanwhile
local again = options()
local other = options()
local first = cn.train(again)
local queued = cn.train(other)
assert(#cn.jobs() >= 1)
refuses("cannot change a net while job \"test\" is training it", other.net.set, other.net, "head.bias", { 1, 2 })
refuses("cannot train a net while job \"test\" is training it", cn.train, options{ net = other.net })
local before = other.net:parameters()["head.bias"]
assert(other.net:evaluate(d.valid, { count = 50, steps = 1 }).count == 50)
assert(tostring(other.net):find "in training by job")
first:wait()
queued:wait()
assert(other.net:parameters()["head.bias"] ~= before)
for name, array in pairs(again.net:parameters()) do
    assert(other.net:parameters()[name] == array, name)
end

-- pause, look, go on, stop
local long = options{ epochs = 1e5 }
job = cn.train(long)
while #job.history < 3 do end
assert(job:pause() == job and job.state == "paused")
local a, b = long.net:parameters()["head.bias"], long.net:parameters()["head.bias"]
assert(a == b, "the weights of a paused job stand still")
refuses("is paused and would never end; job:resume() first", job.wait, job)
job:resume()
local snapshot = long.net:to "f64"
assert(snapshot.precision == "f64")
assert(job:stop() == job and job.state == "stopped")
job:stop()
job:pause()
long.net:set("head.bias", { 1.5, 2.5 })

-- what steps keep: said, and no matter for the result
local sizes, losses = {}, {}
for _, memory in ipairs{ "full", "stages", "steps", "auto" } do
  job = cn.train(options{ memory = memory, epochs = 1 }):wait()
  assert(job.memory == (memory == "auto" and "full" or memory))
  assert(tostring(job):find("memory: " .. job.memory .. ", ", 1, true), tostring(job))
  sizes[memory], losses[memory] = job.bytes, job.history[#job.history].loss
end
assert(sizes.full > sizes.stages and sizes.stages >= sizes.steps and sizes.auto == sizes.full)
assert(losses.full == losses.stages and losses.full == losses.steps)

-- several schemes at once: the loss of each, and their weighted sum
job = cn.train(options{ schemes = { "euler", { scheme = "rk4", steps = 3, weight = 3 } } }):wait()
local last = job.history[#job.history]
assert(job.state == "done" and #last.losses == 2 and last.losses[1] ~= last.losses[2])
assert(math.abs(last.loss - (last.losses[1] + 3 * last.losses[2]) / 4) < 1e-8)
assert(not h[1].losses)
refuses("entry 1 of schemes: unknown option \"shceme\"; nearest is \"scheme\"",
        function() cn.train(options{ schemes = { { shceme = "rk4" } } }) end)

-- a job that nobody holds goes on; one that is closed stops
cn.train(options{ epochs = 1e5, name = "alone" })
collectgarbage()
collectgarbage()
assert(#cn.jobs() == 1 and cn.jobs()[1].name == "alone")
cn.jobs()[1]:stop()
local escaped
do
    local scoped <close> = cn.train(options{ epochs = 1e5 })
    escaped = scoped
end
assert(escaped.state == "stopped")

-- divergence is a result, with a sentence
job = cn.train(options{ optimizer = cn.optim.sgd{ lr = 1e30 } }):wait()
assert(job.state == "diverged" and job.message:find "step")

-- specifications
assert(cn.optim.adam{ lr = 0.5 }.lr == 0.5 and cn.optim.adamw{}.kind == "adamw")
assert(tostring(cn.optim.sgd{ lr = 0.25 }) == "sgd{ lr = 0.25 }")
assert(tostring(cn.schedule.step{ at = { 1, 2 } }) == "step{ at = {1, 2} }")
refuses("cn.optim.sgd: unknown option \"momentun\"; nearest is \"momentum\"", cn.optim.sgd, { momentun = 1 })
refuses("\"lr\" is -1", cn.optim.sgd, { lr = -1 })
refuses("\"lr\" must be a number", cn.optim.adam, { lr = "fast" })
refuses("at must rise", cn.schedule.step, { at = { 3, 2 } })
refuses("unknown option \"epoch\"", cn.schedule.cosine, { epoch = 3 })

-- regression has no accuracy
do
    local x, y = {}, {}
    for i = 1, 40 do
        x[i], y[i] = { i / 40 }, { (i / 40) ^ 2 }
    end
    local r = cn.train{ net = cn.net.mlp{ input = { 1 }, outputs = 1 }, epochs = 1, batch = 8,
                        data = cn.data.memory{ x = x, targets = y, valid = 8 }, runs = runs,
                        probe = { schemes = { "euler" }, steps = { 1 }, every = 2 } }
    r:wait()
    assert(#r.history.evals > 0 and #r.history.probes > 0)
    for _, list in ipairs{ r.history.evals, r.history.probes } do
        assert(list[1].loss > 0 and list[1].count == 8 and list[1].accuracy == nil)
    end
    for line in io.lines(r.path .. "/log.txt") do
        assert(not line:find "accuracy", line)
    end
end

-- what cannot be
local function train(change)
    return function()
        return cn.train(options(change))
    end
end
refuses("unknown option \"epoch\"; nearest is \"epochs\"", train{ epoch = 3 })
refuses("\"epochs\" is -1", train{ epochs = -1 })
refuses("\"epochs\" is 0", train{ epochs = 0 })
refuses("\"batch\" is 0", train{ batch = 0 })
refuses("\"memory\" cannot be \"ful\"; it is one of \"auto\", \"full\", \"stages\", \"steps\"; nearest is \"full\"", train{ memory = "ful" })
refuses("\"batch\" must be a whole number", train{ batch = 1.5 })
refuses("\"net\" must be a net, such as cn.net.continuous{ ... } makes, not a data", train{ net = d })
refuses("\"data\" must be a data set", train{ data = d.train })
refuses("\"data\" must be a data set", train{ data = 3 })
refuses("\"net\" is missing", cn.train, { data = d })
refuses("\"sdg\" does not exist; nearest is \"sgd\"", train{ optimizer = { kind = "sdg" } })
refuses("optimizer is a function", train{ optimizer = cn.optim.sgd })
refuses("\"rk5\" does not exist; nearest is \"rk4\"", train{ probe = { schemes = { "rk5" } } })
refuses("1 x 8 x 8", train{ net = cn.net.continuous{ input = { 1, 8, 8 }, classes = 2, width = 4 } })
refuses("\"/proc/nowhere\" cannot be made", train{ runs = "/proc/nowhere" })
refuses("has no field \"stat\"; nearest is \"state\"", function() return job.stat end)
assert(#cn.jobs() == 0, "nothing half-started is left")

os.execute("rm -rf '" .. runs .. "'")
