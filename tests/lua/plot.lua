local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local h = { 0.4, 0.2, 0.1, 0.05 }
local function powers(p, limit)
    local list = {}
    for i, step in ipairs(h) do
        list[i] = limit + step ^ p
    end
    return list
end

-- convergence
local curves = {
    { scheme = "euler", h = h, error = powers(1, 0.01), slope = 0.973, interval = 0.021, expected = 1 },
    { scheme = "euler", h = h, error = powers(1, 0), truth = true, slope = 1.004 },
    { scheme = "rk4", h = cn.array.new{ 0.4, 0.2 }, error = { 1 / 0, 0 }, expected = 4 },
}
local p = cn.plot.convergence{ curves = curves, dt = 0.1, trained = "euler", limit = 0.01,
                               dots = "ascii" }
local text = tostring(p)
assert(text == p.text and not text:find "[\128-\255]" and text:sub(-1) ~= "\n")
assert(text:find("* euler 0.97+-0.02 (1)", 1, true), text)
assert(text:find "dt 0.100" and text:find "limit 0.0100" and text:find "slopes 1.00", text)
assert(text:find "!", "an infinite error is seen")
for line in text:gmatch "[^\n]+" do
    assert(utf8.len(line) <= 72)
end
local braille = cn.plot.convergence{ curves = curves, dots = "braille", width = 60, height = 12 }.text
assert(braille:find "\u{25cf} euler 0.97\u{b1}0.02 %(1%)")
local _, rows = braille:gsub("\n", "")
assert(rows <= 11)
for line in braille:gmatch "[^\n]+" do
    assert(utf8.len(line) <= 60)
end

refuses("cn.plot.convergence takes one table of options", cn.plot.convergence)
refuses("\"curves\" must be a list", cn.plot.convergence, {})
refuses("curve 1 has no \"scheme\"", cn.plot.convergence, { curves = { { h = h, error = h } } })
refuses("of one length, at most 64, not of 4 and 1", cn.plot.convergence,
        { curves = { { scheme = "euler", h = h, error = { 1 } } } })
refuses("curve 2 must be a table", cn.plot.convergence,
        { curves = { { scheme = "euler", h = h, error = h }, 7 } })
refuses("unknown option \"widht\"; nearest is \"width\"", cn.plot.convergence,
        { curves = {}, widht = 3 })
local many = {}
for i = 1, 17 do
    many[i] = curves[1]
end
refuses("at most 16 curves", cn.plot.convergence, { curves = many })

-- regions of stability
local region = cn.plot.region{ scheme = "euler", step = 0.1, exact = { { 0, 1 }, { 0, -1 } },
                               learned = { { -0.049958, 0.998334 }, { -0.049958, -0.998334 } },
                               dots = "ascii" }
assert(math.abs(region.growth.learned[1] - 1) < 1e-6, "exp(i 0.1) has modulus 1")
assert(math.abs(region.growth.exact[2] - math.sqrt(1.01)) < 1e-12)
assert(math.abs(region.learned[2][2] + 0.998334) < 1e-12 and region.exact[1][1] == 0 and region.exact[1][2] == 1)
for i, sign in ipairs{ 1, -1 } do -- (exp(0.1 i) - 1) / 0.1
    assert(math.abs(region.predicted[i][1] - (math.cos(0.1) - 1) / 0.1) < 1e-12)
    assert(math.abs(region.predicted[i][2] - sign * math.sin(0.1) / 0.1) < 1e-12)
    assert(math.abs(region.growth.predicted[i] - 1) < 1e-12)
end
local given = cn.plot.region{ scheme = "euler", exact = { 1 }, predicted = { { -2, 3 } } }
assert(#given.predicted == 1 and given.predicted[1][2] == 3 and given.learned == nil)
assert(tostring(region):find("learned    -0.0049958 +- 0.0998334i  |R| 1", 1, true), region.text)
assert(not region.text:find "[\128-\255]")
local real = cn.plot.region{ scheme = "rk4", learned = { -2.7852, -2.7854, 0.5 } }
assert(real.growth.learned[1] < 1 and real.growth.learned[2] > 1 and real.growth.learned[3] > 1)
local own = cn.ode.tableau{ a = { {} }, b = { 1 } }
assert(cn.plot.region{ scheme = own, learned = { { -1, 0 } } }.growth.learned[1] == 0)
assert(#cn.plot.region{ scheme = "rk4_38", width = 30, height = 10 }.text > 50)

local back = cn.plot.region{ scheme = "backward_euler", learned = { -1, 0.5 } }
assert(math.abs(back.growth.learned[1] - 0.5) < 1e-15 and back.growth.learned[2] == 2)
assert(cn.plot.region{ scheme = "trapezoid", exact = { { 0, 3 } } }.growth.exact[1] == 1)
local ab2 = cn.plot.region{ scheme = "adams2", learned = { -0.99, -1.01 } }
assert(ab2.growth.learned[1] < 1 and ab2.growth.learned[2] > 1)

refuses("\"rk5\" does not exist; nearest is \"rk4\"", cn.plot.region, { scheme = "rk5" })
refuses("\"scheme\" must be a name", cn.plot.region, {})
refuses("\"learned\" must be a list of pairs", cn.plot.region,
        { scheme = "rk4", learned = { { 1, 2, 3 } } })
refuses("\"width\" is 5", cn.plot.region, { scheme = "rk4", width = 5 })
refuses("\"dots\" cannot be \"big\"", cn.plot.region, { scheme = "rk4", dots = "big" })
