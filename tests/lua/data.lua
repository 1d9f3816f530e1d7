local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local d = cn.data.memory{
    x = { { 1.5, 2 }, { 3, 4.25 }, { 5, 6 }, { 7, 8 }, { 9, 10.5 } },
    labels = { 0, 2, 1, 0, 2 }, valid = 1, test = 1,
}
assert(#d.train == 3 and #d.valid == 1 and #d.test == 1 and d.classes == 3 and d.outputs == 3)
assert(d.train.count == 3 and d.train.name == "train" and d.shape[1] == 2)
assert(d.train:labels()[2] == 2 and d.test:labels()[1] == 2)
local x = d.train:inputs{ first = 2, count = 2 }
assert(#x == 2 and x:shape()[2] == 2 and x[1][2][1][1] == 4.25)
assert(tostring(d):find "3 train, 1 valid, 1 test" and tostring(d.test):find "test part of memory")

-- a part keeps its data set alive
local part = cn.data.memory{ x = { { 1 }, { 2 } }, targets = { { 0.5 }, { 0.25 } } }.train
collectgarbage()
collectgarbage()
assert(part:targets()[2][1] == 0.25 and part.data.classes == 0)

-- doubles are kept as they are, arrays of floats as floats
local third = cn.data.memory{ x = { { 1 / 3 } }, targets = { { 2 / 3 } } }.train
assert(third:inputs()[1][1][1][1] == 1 / 3 and third:targets()[1][1] == 2 / 3)
local single = cn.array.new({ { 1 / 3 } }, { 1, 1 }, "f32")
third = cn.data.memory{ x = single, targets = single }.train
assert(third:inputs()[1][1][1][1] == single[1][1] and third:targets().precision == "f32")
third = cn.data.memory{ x = single, targets = { { 2 / 3 } } }.train
assert(third:inputs()[1][1][1][1] == single[1][1] and third:targets()[1][1] == 2 / 3)

-- pictures without a channel dimension
local p = cn.data.memory{ x = { { { 1, 2, 3 }, { 4, 5, 6 } } }, labels = { 0 }, classes = 4 }
assert(p.shape[1] == 1 and p.shape[2] == 2 and p.shape[3] == 3 and p.classes == 4)

local s = cn.data.spirals{}
assert(#s.train > 0 and s.classes == 2 and s.config.source == "spirals")
assert(cn.data.rings{}.shape[1] == 2)

refuses("unknown option \"lables\"; nearest is \"labels\"", cn.data.memory, { x = { { 1 } }, lables = { 0 } })
refuses("2 samples in \"x\" but 1 labels", cn.data.memory, { x = { { 1 }, { 2 } }, labels = { 0 } })
refuses("label 1 is 0.5; labels are whole numbers from 0", cn.data.memory, { x = { { 1 } }, labels = { 0.5 } })
refuses("label 1 is -1; labels are whole numbers from 0", cn.data.memory, { x = { { 1 } }, labels = { -1 } })
refuses("not both", cn.data.memory, { x = { { 1 } }, labels = { 0 }, targets = { 1 } })
refuses("needs labels", cn.data.memory, { x = { { 1 } } })
refuses("must have 2, 3 or 4 dimensions", cn.data.memory, { x = { 1, 2 }, labels = { 0, 0 } })
refuses("not finite", cn.data.memory, { x = { { 0 / 0 } }, labels = { 0 } })
refuses("cannot be taken off", cn.data.memory, { x = { { 1 } }, labels = { 0 }, test = 1 })
refuses("samples 2 to 2 are asked for, but the test part has 1", d.test.inputs, d.test, { first = 2 })
refuses("has targets, not labels", part.labels, part)
refuses("has no field \"tests\"; nearest is \"test\"", function() return d.tests end)
refuses("the fields of a data cannot be set", function() d.train = 1 end)
refuses("unknown option \"dri\"; nearest is \"dir\"", cn.data.fashion_mnist, { dri = "x" })
refuses("/nowhere", cn.data.fashion_mnist, { dir = "/nowhere" })
refuses("\"limit\"", cn.data.fashion_mnist, { limit = -5 })
refuses("must be a text", cn.data.cifar10, { dir = 3 })
refuses("\"test_images\"", cn.data.idx, { train_images = "a", train_labels = "b" })
refuses("unknown option \"source\"", cn.data.rings, { source = "spirals" })
refuses("one table of options", cn.data.spirals, 3)
