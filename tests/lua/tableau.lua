local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local function turn(_, y, dy)
    dy[1], dy[2] = y[2], -y[1]
end

-- what is computed of a scheme
local d = cn.ode.tableau "dopri54"
assert(d.order == 5 and d.stages == 7 and d.evaluations == 6 and d.fsal and d.dense_order == 4)
assert(math.abs(d.error_norm - 3.991e-4) < 1e-6 and math.abs(d.stability - 3.3066) < 1e-4)
assert(#d.embedded == 2 and d.embedded[1].name == "dormand_prince" and d.embedded[2].name == "shampine")
assert(d.embedded[1].order == 4 and d.embedded[1].e[1] == 71 / 57600)
assert(d.given.a[7][3] == "500/1113" and d.given.b[7] == "0" and #d.dense == 7 and d.dense[1][1] == 1)
assert(#cn.ode.tableau("rk4").embedded == 0 and #cn.ode.tableau("rk4").dense == 0)
local text = tostring(d)
for _, part in ipairs{ "order 5(4, 4), 7 stages, first same as last", "-25360/2187", "5179/57600", "1951/21600",
                       "interpolant of order 4", "-12715105075/11282082432 theta^4", "Shampine 1986" } do
    assert(text:find(part, 1, true), part)
end
text = tostring(cn.ode.tableau "dop853")
assert(text:find("order 8(5, 3), 12 stages", 1, true) and text:find("0.06169", 1, true) == nil)
assert(text:find(" 1/3 |", 1, true) and text:find("program dop853", 1, true))
text = tostring(cn.ode.schemes())
for _, name in ipairs(cn.ode.schemes()) do
    assert(text:find("\n" .. name .. " ", 1, true), name)
end
assert(text:find "verner87 +8%(7%) +13 +no +2.828e%-07 +5.8641 +most efficient")

-- a pair of one's own, from fractions, decimals and numbers
local heun = cn.ode.tableau{
    name = "own_heun21", source = "this test", a = { {}, { 1 } }, b = { 0.5, "1/2" }, bhat = { "1.0", 0 },
    dense = { { 1, -0.5 }, { 0, "1/2" } }, order = 2, embedded_order = 1,
}
assert(heun.order == 2 and heun.embedded[1].order == 1 and heun.embedded[1].e[2] == 0.5)
assert(heun.dense_order == 2 and heun.given.b[1] == "0.5" and heun.source == "this test")
local twin = cn.ode.tableau "heun2"
for i = 1, 2 do
    assert(heun.b[i] == twin.b[i] and heun.c[i] == twin.c[i])
end
-- doubles are decimals of 17 digits: kutta's scheme and ralston's from quotients
local third = cn.ode.tableau{ a = { {}, { 1 / 2 }, { 0, 3 / 4 } }, b = { 2 / 9, 1 / 3, 4 / 9 }, order = 3 }
assert(third.order == 3 and third.given.b[2] == "0.33333333333333331")

-- where built-in schemes go, it goes: solving with equal and chosen steps, sweeping, training
local function last(options)
    options.f, options.y0, options.t1 = turn, { 1, 0 }, 2
    local s = cn.ode.solve(options)
    return s.y[#s.y][1], s
end
assert(last{ scheme = "own_heun21", steps = 16 } == last{ scheme = "heun2", steps = 16 })
assert(last{ scheme = heun, steps = 16 } == last{ scheme = "heun2", steps = 16 })
local chosen, s = last{ scheme = "own_heun21", rtol = 1e-6, atol = 1e-8 }
assert(math.abs(chosen - math.cos(2)) < 1e-4 and s.evaluations > 20)
local unnamed = cn.ode.tableau{ a = { {}, { "1/3" }, { 0, "2/3" } }, b = { "1/4", 0, "3/4" } }
collectgarbage()
collectgarbage()
assert(tostring(unnamed):find("2/3", 1, true)) -- its texts live as long as it
assert(math.abs(last{ scheme = unnamed, steps = 64 } - math.cos(2)) < 1e-5)

local data = cn.data.rings{ count = 64, test = 32, valid = 0, seed = 5 }
local runs = os.tmpname()
os.remove(runs)
local function train(scheme)
    local net = cn.net.mlp{ input = { 2 }, hidden = 6, scheme = scheme, steps = 3, seed = 3, precision = "f64" }
    cn.train{ net = net, data = data, epochs = 2, batch = 16, seed = 9, runs = runs, name = "own", probe = false,
              optimizer = cn.optim.sgd{ lr = 0.1 } }:wait()
    return net:logits(data.test)
end
local mine, theirs = train("own_heun21"):data(), train("heun2"):data()
assert(#mine == #theirs and #mine > 30)
for i = 1, #mine do
    assert(mine[i] == theirs[i])
end

-- what does not keep what it says
local function make(change)
    local options = { a = { {}, { "1/2" }, { -1, 2 } }, b = { "1/6", "2/3", "1/6" } }
    for key, value in pairs(change) do
        options[key] = value
    end
    return cn.ode.tableau(options)
end
assert(make{ order = 3 }.order == 3)
refuses("has order 3, not 4: the weight of tree [[[.]]] is 0 and should be 1/24 (off by -0.042)", make, { order = 4 })
refuses('"order" is 2, but scheme "unnamed" has 3', make, { order = 2 })
refuses("the weight of tree [.] is 0.500000166667 and should be 1/2 (off by 1.7e-07)", make, { a = { {}, { "1/2" }, { -1, "2.000001" } }, order = 3 })
refuses("the sum of b must be 1 and is off by 1e-06", make, { b = { "1/6", "2/3", "0.166667666666666666666666666667" } })
refuses("embedded formula, has order 1, not 2: the weight of tree [.] is 0 and should be 1/2", make,
        { bhat = { 1, 0, 0 }, embedded_order = 2 })
refuses('"embedded_order" is of an embedded formula; give its "bhat"', make, { embedded_order = 2 })
refuses('give "bhat" or "e" = b - bhat, not both', make, { bhat = { 1, 0, 0 }, e = { 1, 0, -1 } })
refuses("the embedded formula is b itself", make, { bhat = { "1/6", "2/3", "1/6" } })
refuses("the sum of bhat must be 1 and is off by 1", make, { bhat = { 1, 1, 0 } })
refuses("bhat must be a list of 3 coefficients", make, { bhat = { 1, 0 } })
refuses("the interpolant does not end in b", make, { dense = { { 1 }, {}, {} } })
refuses("dense must be a list of 3 rows", make, { dense = { { 1 } } })
refuses('b[2] is "two thirds"; a coefficient is a whole number', make, { b = { "1/6", "two thirds", "1/6" } })
refuses("b[2] must be a number or a text such as \"1/3\", not a boolean", make, { b = { "1/6", true, "1/6" } })
refuses("b[1] is \"inf\"", make, { b = { 1 / 0, 0, 0 } })
refuses("a[2][1] is \"1/0\"", make, { a = { {}, { "1/0" }, { -1, 2 } } })
refuses('"order" must be a whole number from 1 to 10', make, { order = 3.5 })
refuses('unknown option "orders"; nearest is order', make, { orders = 3 })
refuses('"name" must be a text of at most', make, { name = 7 })
refuses('scheme "rk4" exists with other coefficients', make, { name = "rk4" })

os.execute("rm -rf '" .. runs .. "'")
