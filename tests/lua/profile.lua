local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local net = cn.net.continuous{ input = { 1, 12, 12 }, classes = 3, width = 8, scheme = "euler",
                               nodes = 2, steps = 2 }
local before = net:parameters()["block1.bn2.weight"]:data()

local p = net:profile{ batch = 5, repeats = 2 }
assert(p.kind == "train" and p.batch == 5 and p.threads == cn.threads() and #p > 8)
assert(p.ms > 0 and math.abs(p.images - 5e3 / p.ms) < 1e-6 * p.images)
local ms, share, last = 0, 0, math.huge
for _, row in ipairs(p) do
    assert(row.calls >= 1 and row.ms <= last, "the longest first")
    assert(row.gflops >= 0 and row.gbytes >= 0 and row.peak >= 0)
    ms, share, last = ms + row.ms, share + row.share, row.ms
end
assert(math.abs(share + p.outside - 1) < 1e-6, "shares add up to the step")
assert(math.abs(ms + p.outside * p.ms - p.ms) < 1e-6 * p.ms)
assert(p.peak_gflops > 0.1 and p.convolution_gflops > 0)
assert(math.abs(p.convolution - p.convolution_gflops / p.peak_gflops / p.threads) < 1e-6)
assert(p.kernels:find "^f32")
local text = tostring(p)
assert(text:find "kernel +calls" and text:find "conv_weights" and text:find "images/s")
assert(text:find "outside" and text:find "convolutions at")
for line in text:gmatch "[^\n]+" do
    assert(#line <= 78, "fits a terminal of 80 columns: " .. line)
end

local function calls(rows, kernel)
    for _, row in ipairs(rows) do
        if row.kernel == kernel then
            return row.calls
        end
    end
    return 0
end
local f = net:profile{ batch = 1, repeats = 1, kind = "forward", threads = 1 }
assert(f.kind == "forward" and f.threads == 1 and calls(f, "dense") == 1)
assert(calls(f, "conv_weights") + calls(f, "winograd_weights") == 0)
local function work(change) -- flops of the convolutions
    local rows = net:profile{ batch = 1, repeats = 1, kind = "forward", steps = change.steps,
                              scheme = change.scheme }
    return rows.convolution_gflops * rows.ms
end
local once, twice = work{}, work{ steps = 4 }
assert(twice > 1.5 * once and twice < 2 * once, "twice the steps, but for stem and stitches")
assert(math.abs(work{ scheme = "midpoint" } / twice - 1) < 1e-6)
assert(net:profile{ batch = 1, repeats = 1, precision = "f64", threads = 2 }.kernels:find "^f64")
assert(net:profile().batch == 128, "options are optional")
local kept = net:profile{ batch = 4, repeats = 1, memory = "full" }
local again = net:profile{ batch = 4, repeats = 1, memory = "steps" }
assert(kept.memory == "full" and again.memory == "steps" and f.memory == nil)
assert(again.convolution_gflops * again.ms > 1.1 * kept.convolution_gflops * kept.ms,
       "what is not kept is run again")

-- nothing of the net moved
local after = net:parameters()["block1.bn2.weight"]:data()
for i, value in ipairs(before) do
    assert(value == after[i])
end

refuses("\"batch\" is 0", net.profile, net, { batch = 0 })
refuses("\"kind\" cannot be \"backward\"", net.profile, net, { kind = "backward" })
refuses("unknown option \"bacth\"; nearest is \"batch\"", net.profile, net, { bacth = 3 })
refuses("\"threads\" is 1000", net.profile, net, { threads = 1000 })
refuses("\"memory\" cannot be \"less\"", net.profile, net, { memory = "less" })
refuses("\"repeats\" is 0", net.profile, net, { repeats = 0 })
refuses("\"rk5\" does not exist; nearest is \"rk4\"", net.profile, net, { scheme = "rk5" })
refuses("no memory for a batch of 1000000000 samples", net.profile, net, { batch = 1e9 })
local flat = cn.net.stack{ input = { 1, 8, 8 }, layers = {
    { layer = "conv", out = 4 }, { layer = "pool" }, { layer = "dense", out = 2 } } }
refuses("no ODE block", flat.profile, flat, { steps = 2 })
assert(flat:profile{ batch = 2, repeats = 1 }.convolution > 0)
