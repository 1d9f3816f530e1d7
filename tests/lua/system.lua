local cn = require "continuo"
local refuses = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "refuses.lua")

local function near(a, b, tolerance)
    assert(#a == #b)
    for i = 1, #b do
        assert(math.abs(a[i] - b[i]) <= tolerance, string.format("%.17g, not %.17g", a[i], b[i]))
    end
end

-- all there are, with what they say of themselves
local names = cn.ode.systems()
assert(#names == 9 and tostring(names):find "lotka_volterra +2 +%-")
for _, name in ipairs(names) do
    local s = cn.ode.system(name)
    assert(s.name == name and #s.y0 == s.n and #s.components == s.n and next(s.parameters))
    assert(tostring(s):find("system " .. name, 1, true) and tostring(s):find "source: ")
    near(s:field(s.t0, s.y0), cn.ode.system{ name = name }:field(s.t0, s.y0), 0)
end

-- the pendulum's known place, and from another state at another time
local p = cn.ode.system "pendulum"
near(p:exact(2), { -1.5166699044707471, 3.8645668575722423 }, 2e-15)
near(p:reference{ times = { 1, 2 } }[2], p:exact(2), 0)
near(p:exact(5.5, { 0.3, -0.7 }, 3.25), cn.ode.system{ name = "pendulum", y0 = { 0.3, -0.7 } }:exact(2.25), 1e-15)
near(p:reference{ times = 5.5, y0 = { 0.3, -0.7 }, t0 = 3.25 }[1], p:exact(5.5, { 0.3, -0.7 }, 3.25), 0)
local moon = cn.ode.system{ name = "pendulum", gravity = 1.62, length = 2, t1 = 3 }
assert(moon.parameters.gravity == 1.62 and moon.parameters.length == 2 and moon.t1 == 3)
near(moon:field(0, { 0.5, 2 }), { 2, -0.81 * math.sin(0.5) }, 1e-15)
near(moon:reference()[1], moon:exact(3), 0)
assert(math.abs(moon:invariant(moon:exact(1.7)) - moon:invariant(moon.y0)) < 1e-15)

-- an array is a state, too
near(p:field(0, cn.array.new { 1, 2 }), p:field(0, { 1, 2 }), 0)

refuses('system "pendlum" does not exist; nearest is "pendulum"', cn.ode.system, "pendlum")
refuses('unknown option "gravty"; nearest is "gravity"', cn.ode.system, { name = "pendulum", gravty = 1 })
refuses('needs a "name"', cn.ode.system, {})
refuses("a system is a name such as", cn.ode.system, 3)
refuses("list of 2 numbers", cn.ode.system, { name = "pendulum", y0 = { 1 } })
refuses("no closed form is known of system lorenz", function() cn.ode.system "lorenz":exact(1) end)
refuses("from this state", function() cn.ode.system "cartesian_pendulum":exact(1, { 1, 1, 0, 0 }) end)
refuses("has no invariant", function() cn.ode.system "lorenz":invariant { 1, 2, 3 } end)
refuses("list of 2 numbers, not of 3", function() p:field(0, { 1, 2, 3 }) end)
refuses('"t" must be a finite number', function() p:field("soon", { 1, 2 }) end)
refuses("does not hold to 1e-12 at t = 60", function() cn.ode.system "lorenz":reference{ times = { 1, 60 } } end)
refuses("goes back", function() p:reference{ times = { 1, 2, 1.5 } } end)
refuses("entry 2 is none", function() p:reference{ times = { 1, "2" } } end)
refuses("not of 3", function() p:reference{ y0 = { 1, 2, 3 } } end)
refuses('has no field "lenght"', function() return p.lenght end)
