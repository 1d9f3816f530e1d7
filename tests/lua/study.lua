local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local d = cn.data.spirals{}
local net = cn.net.mlp{ input = { 2 }, outputs = 2, hidden = 8, scheme = "euler", nodes = 2, steps = 2, act = "tanh", seed = 2 }

-- a cell is what net:evaluate gives
local t = cn.sweep{ net = net, data = d, schemes = { "rk4", "euler" }, steps = { 4, 1, 2, 2 }, samples = 100 }
assert(t.rk4[4].accuracy == net:evaluate(d.test, { scheme = "rk4", steps = 4, count = 100 }).accuracy)
assert(t.euler[2].loss == net:evaluate(d.test, { count = 100 }).loss)
assert(t.euler[2].count == 100 and t.rk4[2].evaluations == 8)
assert(t.euler[2].aligned and not t.euler[1].aligned)
local schemes = {}
for scheme in pairs(t) do
    schemes[#schemes + 1] = scheme
end
assert(#schemes == 2, "only schemes are keys")
assert(t.trained.scheme == net.scheme and t.trained.steps == 2 and #t.steps == 3 and t.part == "test")
local text = tostring(t)
assert(text:find "%[%d+%.%d%d%]" and text:find "1~" and text:find "do not align with the 2 nodes")
assert(cn.sweep{ net = net, data = d.valid, steps = { 2 }, samples = 10 }.part == "valid")
assert(cn.sweep{ net = net, data = d, samples = 10 }.midpoint[16].count == 10, "the usual grid")

local function sweep(change)
    local options = { net = net, data = d, samples = 10 }
    for key, value in pairs(change) do
        options[key] = value
    end
    return cn.sweep(options)
end
refuses("\"rk5\" does not exist; nearest is \"rk4\"", sweep, { schemes = { "rk5" } })
refuses("\"schemes\" must be a list", sweep, { schemes = "rk4" })
refuses("\"schemes\" must be a list", sweep, { schemes = {} })
refuses("entry 2 of \"steps\" is 0", sweep, { steps = { 1, 0 } })
refuses("entry 1 of \"steps\" is -3", sweep, { steps = { -3 } })
refuses("unknown option \"sample\"; nearest is \"samples\"", sweep, { sample = 3 })
refuses("\"samples\" is 0", sweep, { samples = 0 })
refuses("samples 1 to 1000000 are asked for", sweep, { samples = 1000000 })
refuses("\"data\" is missing", cn.sweep, { net = net })
refuses("\"net\" is missing", cn.sweep, { data = d })
refuses("1 x 8 x 8", cn.sweep, { data = d, net = cn.net.residual{ input = { 1, 8, 8 }, classes = 2, width = 4 } })

-- the gradient is right, and a wrong parameter would be seen
local rows = cn.gradient_check{ net = net, entries = 4 }
assert(rows.worst < 1e-6, tostring(rows))
assert(#rows > 3 and rows[1].name and rows[1].checked + rows[1].kinks == 4)
assert(tostring(rows):find "largest relative error")
assert(#rows.methods == 3 and rows.methods[2].same and rows.methods[3].difference == 0)
local field = cn.net.dynamics{ state = 3, dt = 0.4, scheme = "midpoint", steps = 4, hidden = 9, layers = 2, seed = 8 }
rows = cn.gradient_check{ net = field }
assert(rows.worst < 1e-6 and #rows.methods == 6, tostring(rows))
assert(rows.methods[3].same and not rows.methods[6].same)
assert(rows.methods[4].difference < 1e-13 and rows.methods[5].difference == rows.methods[4].difference)
assert(math.abs(rows.methods[6].observed - 2) < 0.2 and rows.methods[6].order == 2)
assert(rows.methods[6].difference > 1e-8 and rows.methods[6].name == "continuous adjoint")
for line in (tostring(rows) .. "\n"):gmatch "(.-)\n" do
    assert(#line <= 80, line)
end
rows = cn.gradient_check{ net = field, scheme = "rk4", steps = 8 }
assert(math.abs(rows.methods[6].observed - 4) < 0.2 and tostring(rows):find "rk4 in 8 steps")
local pictures = cn.net.continuous{ input = { 1, 8, 8 }, classes = 3, width = 4, nodes = 2, steps = 2, scheme = "rk4",
                                    act = "softplus" }
assert(cn.gradient_check{ net = pictures, entries = 2, batch = 2 }.worst < 1e-5)
assert(cn.gradient_check{ net = pictures, entries = 1, batch = 2, training = false, scheme = "midpoint" }.worst < 1e-5)
refuses("\"entries\" is 0", cn.gradient_check, { net = net, entries = 0 })
refuses("unknown option \"entry\"", cn.gradient_check, { net = net, entry = 1 })

-- orders, with samples of data and with normal ones
local o = cn.order{ net = net, data = d, steps = { 4, 8, 16, 32, 64 } }
assert(math.abs(o.euler.order - 1) < 0.1 and o.euler.expected == 1 and o.euler.confirmed)
assert(math.abs(o.midpoint.order - 2) < 0.1 and math.abs(o.rk4.order - 4) < 0.1)
assert(#o.rk4.error == 5 and o.rk4.steps[5] == 64 and o.rk4.h[1] == 0.25)
assert(tostring(o):find "expected 4" and o.reference_steps >= 512)
assert(cn.order{ net = net, schemes = { "heun2" }, steps = { 3, 7, 15 } }.heun2.steps[1] == 4, "raised to align")
refuses("no block 2", cn.order, { net = net, block = 2 })
refuses("entry 1 of \"steps\" is 0", cn.order, { net = net, steps = { 0 } })
refuses("\"rk5\" does not exist", cn.order, { net = net, schemes = { "rk5" } })
refuses("the net reads 2 x 1 x 1", cn.order, { net = net, data = cn.data.memory{ x = { { 1, 2, 3 } }, labels = { 0 } }.train })

-- verdicts: from scratch, and from the cells of a sweep
local v = cn.verdict{ net = net, data = d, samples = 200 }
assert(v.state == "pass" or v.state == "fail" or v.state == "open")
assert(v.order.state == "pass" and #v.limit.text > 0 and #v.agreement.text > 0 and #v.text > 0)
assert(v.gap == v.trained.accuracy - v.small.accuracy and v.interval > 0)
assert(v.trained.scheme == "euler" and v.trained.steps == 2 and v.small.count == 200)
assert(tostring(v):find "A order" and tostring(v):find "B limit" and tostring(v):find "C agreement")
local known = cn.sweep{ net = net, data = d, samples = 200, schemes = { "euler", "rk4" }, steps = { 2, 16 } }
assert(cn.verdict{ net = net, data = d, samples = 200, sweep = known, order = false }.gap == v.gap)
local function verdict(change)
    local options = { net = net, data = d, samples = 100, order = false }
    for key, value in pairs(change) do
        options[key] = value
    end
    return cn.verdict(options)
end
assert(verdict{}.order.state == "open", "what is not measured is not decided")
refuses("\"sweep\" is of 200 samples, the verdict of 100", verdict, { sweep = known })
refuses("\"sweep\" is of another net or another part", verdict, { sweep = known, samples = 160, data = d.valid })
refuses("\"sweep\" must be what cn.sweep gives", verdict, { sweep = {} })
refuses("\"rk5\" does not exist", verdict, { schemes = { "rk5" } })
refuses("\"samples\" is 0", verdict, { samples = 0 })
refuses("unknown option \"swep\"; nearest is \"sweep\"", verdict, { swep = 3 })
refuses("\"data\" is missing", cn.verdict, { net = net })
net:set("head.bias", { 1.5, 0.5 })
refuses("weights have changed since", verdict, { sweep = known, samples = 200 })
