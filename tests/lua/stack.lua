-- Nets written layer by layer: every kind of layer, exact gradients, files, refusals.
local cn = require "continuo"
local function fails(options, ...)
  local fine, text = pcall(cn.net.stack, options)
  assert(not fine, "was not refused")
  for _, part in ipairs{ ... } do
    assert(tostring(text):find(part, 1, true), ("%s\n lacks: %s"):format(text, part))
  end
end

local field = { { layer = "conv", out = 8 }, { layer = "tanh" }, { layer = "norm" } }
local branch = { { layer = "conv", out = 12, stride = 2 }, { layer = "gelu" },
                 { layer = "residual", body = { { layer = "conv", out = 12 }, { layer = "norm" } } } }
local net = cn.net.stack{
  input = { 1, 12, 12 }, precision = "f64", seed = 3,
  layers = {
    { layer = "conv", out = 8 }, { layer = "norm" }, { layer = "relu" },
    { layer = "ode", name = "flow", body = field, steps = 4, nodes = 2 },
    { layer = "residual", down = true, stride = 2, body = branch },
    { layer = "conv", out = 5, kernel = 1, bias = false },
    { layer = "flatten" }, { layer = "dense", out = 20 }, { layer = "softplus" },
    { layer = "dense", out = 3 },
  },
}
local parameters = net:parameters()
assert(parameters["flow.conv1.weight"]:shape()[1] == 2) -- the nodes in depth lead
assert(#parameters["residual5.residual3.conv1.weight"]:shape() == 4)
assert(parameters["conv6.bias"] == nil)
assert(net.scheme == "rk4" and net.steps == 4 and net.nodes == 2)

-- A bias before a norm has gradient zero: what is left of it is rounding.
for _, row in ipairs(cn.gradient_check{ net = net }) do
  assert(row.error < 1e-6 or math.abs(row.exact) < 1e-12, row.name .. ": " .. row.error)
end
for _, row in ipairs(cn.gradient_check{ net = net, training = true }) do
  assert(row.error < 1e-6 or math.abs(row.exact) < 1e-12, row.name .. ": " .. row.error)
end

-- A body may end in monomials, whose derivatives are made from their values.
do
  local body = { { layer = "dense", out = 2 }, { layer = "monomials", degree = 1 } }
  local m = cn.net.stack{ input = { 3 }, precision = "f64", seed = 5, layers = {
    { layer = "ode", body = body, steps = 2, scheme = "rk4" }, { layer = "dense", out = 2 } } }
  for _, row in ipairs(cn.gradient_check{ net = m }) do
    assert(row.error < 1e-6 or math.abs(row.exact) < 1e-12, row.name .. ": " .. row.error)
  end
end

local path = os.tmpname()
net:save(path)
local twin = cn.load(path)
os.remove(path)
local x = cn.array.zeros{ 2, 1, 12, 12 }
assert(net:forward(x):difference(twin:forward(x)) == 0)

fails({ input = { 1, 8, 8 }, layers = { { layer = "cnov", out = 2 } } }, "layer 1", "nearest is \"conv\"")
fails({ input = { 1, 8, 8 }, layers = {} }, "list of layers")
fails({ input = { 1, 8, 8 }, layers = { { layer = "conv", out = 2, kernel = 2 } } }, "1 or 3, not 2")
fails({ input = { 1, 8, 8 }, layers = { { layer = "conv", out = 2, kernal = 3 } } }, "kernal", "kernel")
fails({ input = { 1, 8, 8 }, layers = { { layer = "dense", out = 2 } } }, "1 x 8 x 8", "flatten")
fails({ input = { 4 }, layers = { { layer = "ode", body = { { layer = "dense", out = 3 } } } } },
      "4 x 1 x 1", "3 x 1 x 1", "keeps the shape")
fails({ input = { 4 }, layers = { { layer = "dense", out = 3, name = "a" },
                                  { layer = "dense", out = 3, name = "a" } } }, "\"a\" is taken")
