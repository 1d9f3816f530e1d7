local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local function small(change)
    local options = { input = { 1, 8, 8 }, classes = 3, width = 4, scheme = "euler", nodes = 2, steps = 2,
                      seed = 5 }
    for key, value in pairs(change or {}) do
        options[key] = value
    end
    return cn.net.continuous(options)
end

local net = small()
assert(net.family == "continuous" and net.scheme == "euler" and net.steps == 2 and net.nodes == 2)
assert(net.precision == "f32" and net.outputs == 3 and net.input[2] == 8 and net.config.width == 4)
assert(net.note == nil and tostring(net):find "block3")

-- parameters: their number, their copies, setting them
local count = 0
for name, array in pairs(net:parameters()) do
    assert(not name:find "running")
    count = count + #array:data()
end
assert(count == net.count and net.count > 0)
assert(next(net:statistics()):find "running")
local bias = net:parameters()["head.bias"]
bias[2] = 0.625
assert(net:parameters()["head.bias"][2] ~= 0.625, "parameters() gives copies")
net:set("head.bias", bias)
assert(net:parameters()["head.bias"] == bias)

-- the published parameter counts
assert(cn.net.continuous{ input = { 3, 32, 32 }, classes = 10, width = 16, nodes = 2 }.count == 78330 + 2 * 97440)

-- running it
local x = cn.array.zeros{ 5, 1, 8, 8 }
for i = 1, 5 do
    for r = 1, 8 do
        for c = 1, 8 do
            x[i][1][r][c] = math.sin(i * 1.7 + r * 0.9 - c * 2.3)
        end
    end
end
local y = net:forward(x)
assert(y:shape()[1] == 5 and y:shape()[2] == 3 and y.precision == "f32" and y:nans() == 0)
assert(net:forward(x[2])[1] == y[2], "samples are independent of each other")
assert(net:forward(x, { scheme = "rk4", steps = 4 }) ~= y)
assert(net:forward(x, { scheme = "euler", steps = 2 }) == y)
local d = cn.data.memory{ x = x, labels = { 0, 1, 2, 0, 1 }, test = 4 }
local z = net:logits(d.test)
assert(z:shape()[1] == 4 and z == net:forward(d.test:inputs()))
assert(net:logits(d.test, { first = 2, count = 2 })[1] == z[2])
local e = net:evaluate(d.test)
assert(e.count == 4 and e.accuracy == e.correct / 4 and e.loss > 0 and e.evaluations == 6 and e.seconds >= 0)
assert(e.note == nil and tostring(e):find "accuracy")
assert(net:evaluate(d.test, { scheme = "rk4", steps = 4 }).evaluations == 48)
assert(net:evaluate(d.test, { steps = 3 }).note:find "3 steps do not align with the 2 nodes")
assert(net:evaluate(d).count == 4, "a data set stands for its test part")

-- threads change nothing
local threads = cn.threads()
cn.threads(1)
local one = net:logits(d.test, { scheme = "rk4" })
cn.threads(3)
assert(net:logits(d.test, { scheme = "rk4" }) == one)
cn.threads(threads)
refuses("\"n\" is 0; it must be at least 1", cn.threads, 0)
refuses("at most 256", cn.threads, 1000)

-- precision
local double = net:to "f64"
assert(double.precision == "f64" and net.precision == "f32" and double.count == net.count)
assert(double:forward(x):difference(y) < 1e-5)
assert(net:forward(x, { precision = "f64" }) == double:forward(x))
assert(small{ precision = "f64" }.precision == "f64")

-- files
local path = os.tmpname()
assert(net:save(path) == net)
local loaded = cn.load(path)
assert(loaded:forward(x) == y and loaded.config.nodes == 2)
double:save(path)
assert(cn.load(path):forward(x) == double:forward(x))
local bytes = io.open(path, "rb"):read "a"
local file = io.open(path, "wb")
file:write(bytes:sub(1, #bytes // 2))
file:close()
refuses(path, cn.load, path)
file = io.open(path, "wb")
file:write "hello"
file:close()
refuses(path, cn.load, path)
os.remove(path)
refuses(path, cn.load, path)
refuses("cn.load takes the path of a saved net", cn.load)
refuses("/nowhere", net.save, net, "/nowhere/m.safetensors")

-- misaligned steps are said, not refused
assert(small{ steps = 3 }.note:find "take a multiple of 2")

-- other families
local r = cn.net.residual{ input = { 1, 8, 8 }, classes = 3, width = 4 }
assert(r.scheme == "euler" and r.steps == 1 and r:forward(x):shape()[2] == 3)
local m = cn.net.mlp{ input = { 2 }, outputs = 3 }
assert(m:forward{ { 0.5, 1 }, { 1.5, -2 } }:shape()[1] == 2 and m:forward{ 0.5, 1 }:shape()[1] == 1)

-- what cannot be
refuses("unknown option \"widht\"; nearest is \"width\"", small, { widht = 3 })
refuses("\"width\"", small, { width = 0 })
refuses("\"width\"", small, { width = -4 })
refuses("\"width\" must be a whole number", small, { width = "wide" })
refuses("\"rk5\" does not exist; nearest is \"rk4\"", small, { scheme = "rk5" })
refuses("\"steps\" is -1", small, { steps = -1 })
refuses("\"nodes\"", small, { nodes = 0 })
refuses("act", small, { act = "rleu" })
refuses("cn.net.continuous", small, { input = { 1, 8 } })
refuses("cn.net.continuous", small, { input = { 0, 8, 8 } })
refuses("\"classes\"", small, { classes = 0 })
refuses("norm is a function, which cannot be an option", small, { norm = print })
refuses("seed is not a number (nan)", small, { seed = 0 / 0 })
refuses("input mixes names and positions", small, { input = { 1, 8, 8, x = 1 } })
local cycle = {}
cycle.again = cycle
refuses("contains itself", small, { input = cycle })
refuses("is an object (array)", small, { input = x })
refuses("one table of options", cn.net.continuous)
refuses("there is no parameter \"head.bais\"; nearest is \"head.bias\"", net.set, net, "head.bais", { 1 })
refuses("\"head.bias\" has the shape 3, the value 2", net.set, net, "head.bias", { 1, 2 })
refuses("the precision must be \"f32\" or \"f64\", not f16", net.to, net, "f16")
refuses("but the input has the shape (1 x 8)", net.forward, net, { { 1, 2, 3, 4, 5, 6, 7, 8 } })
refuses("takes a part of a data set such as data.test, not a number", net.evaluate, net, 3)
refuses("takes a part of a data set such as data.test, not nothing", net.evaluate, net)
refuses("\"rk5\" does not exist", net.evaluate, net, d.test, { scheme = "rk5" })
refuses("\"steps\" is 0", net.evaluate, net, d.test, { steps = 0 })
refuses("\"steps\" is -2", net.logits, net, d.test, { steps = -2 })
refuses("samples 5 to 5 are asked for, but the test part has 4", net.logits, net, d.test, { first = 5 })
refuses("samples 2 to 9", net.logits, net, d.test, { first = 2, count = 8 })
refuses("\"first\" is 0", net.logits, net, d.test, { first = 0 })
refuses("valid part of memory is empty", net.evaluate, net, d.valid)
refuses("\"precision\" cannot be \"f16\"", net.evaluate, net, d.test, { precision = "f16" })
refuses("2 x 1 x 1", net.evaluate, net, cn.data.spirals{}.test)
refuses("has no field \"cuont\"; nearest is \"count\"", function() return net.cuont end)
do
    local closed <close> = small()
    double = closed
end
refuses("this net is closed", function() return double.count end)
assert(tostring(double) == "net (closed)")
