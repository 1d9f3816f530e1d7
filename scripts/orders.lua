-- Whether every registered scheme has the order it was published with: by the conditions of rooted
-- trees, and by what its error does when the step is halved four times, on
--
--     y' = -2 t y^2,  y(0) = 1,  y(1) = 1/2
--
-- which depends on t and is not linear: a scheme with wrong nodes or one that is right for linear
-- equations only is found out. Doubles cannot show orders above 5 over four halvings; so a scheme
-- steps here as it is defined, in pairs of doubles (32 digits), with its coefficients as published.
-- cn.ode.solve is then held against that: its own order where doubles show it, its result on one
-- grid where they do not.
--
--     continuo run scripts/orders.lua [--quick]
--
-- Prints one table: the stated order, that by trees, the measured one, and by how much cn.ode.solve
-- is off on 48 steps. Status 3 when any differs: measured orders by more than 0.1, either way, and
-- results by more than rounding. --quick halves twice.

local quick = arg[1] == "--quick"
if arg[quick and 2 or 1] then
  error("orders: there is only the option --quick", 0)
end

-- as published: order and orders of the embedded formulas
local stated = {
  euler = { 1 }, midpoint = { 2, 1 }, heun2 = { 2, 1 }, ralston2 = { 2, 1 }, kutta3 = { 3 },
  heun3 = { 3 }, ralston3 = { 3 }, ssprk33 = { 3, 2 }, bs32 = { 3, 2 }, rk4 = { 4 },
  rk4_38 = { 4 }, fehlberg45 = { 4, 5 }, fehlberg54 = { 5, 4 }, cash_karp54 = { 5, 4 },
  dopri54 = { 5, 4, 4 }, tsit54 = { 5, 4 }, bs54 = { 5, 4, 4 }, verner65 = { 6, 5 },
  verner76 = { 7, 6 }, verner87 = { 8, 7 }, dop853 = { 8, 5, 3 },
}

-- A pair (high, low) of doubles is their sum: Dekker 1971, Numer. Math. 18: 224-242; Knuth, The art
-- of computer programming 2, section 4.2.2.
local function normal(a, b)
  local s = a + b
  return s, b - (s - a)
end
local function add(ah, al, bh, bl)
  local s = ah + bh
  local v = s - ah
  return normal(s, (ah - (s - v)) + (bh - v) + al + bl)
end
local function multiply(ah, al, bh, bl)
  local p = ah * bh
  local t = 134217729 * ah -- 2^27 + 1
  local a1 = t - (t - ah)
  local a2 = ah - a1
  t = 134217729 * bh
  local b1 = t - (t - bh)
  local b2 = bh - b1
  return normal(p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2 + (ah * bl + al * bh))
end
local function divide(ah, al, bh, bl)
  local q = ah / bh
  local ph, pl = multiply(q, 0, bh, bl)
  local rh, rl = add(ah, al, -ph, -pl)
  local r = (rh + rl) / bh
  ph, pl = multiply(r, 0, bh, bl)
  rh, rl = add(rh, rl, -ph, -pl)
  local qh, ql = normal(q, r)
  return add(qh, ql, rh / bh, 0)
end

local function digits(text)
  local h, l = 0.0, 0.0
  for digit in text:gmatch "%d" do
    h, l = multiply(h, l, 10, 0)
    h, l = add(h, l, tonumber(digit), 0)
  end
  return h, l
end

-- "p/q" or a decimal.
local function number(text)
  local sign, over, under = text:match "^(%-?)(%d+)/(%d+)$"
  local h, l
  if over then
    local uh, ul = digits(under)
    h, l = digits(over)
    h, l = divide(h, l, uh, ul)
  else
    local whole, point, behind, exponent
    sign, whole, point, behind, exponent = text:match "^(%-?)(%d*)(%.?)(%d*)[eE]?([-+]?%d*)$"
    h, l = digits(whole .. behind)
    local shift = (math.tointeger(tonumber(exponent)) or 0) - #behind
    local th, tl = digits("1" .. ("0"):rep(math.abs(shift)))
    if shift < 0 then h, l = divide(h, l, th, tl) else h, l = multiply(h, l, th, tl) end
  end
  if sign == "-" then return -h, -l end
  return h, l
end

-- A scheme as lists of its nonzero coefficients: rows[i] = { j, high, low, ... }, b likewise.
local function exact(tableau)
  local scheme = { stages = tableau.stages, c = {}, rows = {} }
  local function row(texts)
    local list = {}
    for j, text in ipairs(texts) do
      local h, l = number(text)
      if h ~= 0 then
        table.move({ j, h, l }, 1, 3, #list + 1, list)
      end
    end
    return list
  end
  for i, texts in ipairs(tableau.given.a) do
    scheme.rows[i] = row(texts)
    local h, l = 0.0, 0.0
    for n = 1, #scheme.rows[i], 3 do
      h, l = add(h, l, scheme.rows[i][n + 1], scheme.rows[i][n + 2])
    end
    scheme.c[i] = { h, l }
  end
  scheme.b = row(tableau.given.b)
  return scheme
end

-- y(1) after n steps, less 1/2.
local function last_error(scheme, n)
  local yh, yl = 1.0, 0.0
  local hh, hl = divide(1, 0, n, 0)
  local kh, kl = {}, {}
  local function combine(list)
    local sh, sl = 0.0, 0.0
    for m = 1, #list, 3 do
      local j = list[m]
      local ph, pl = multiply(list[m + 1], list[m + 2], kh[j], kl[j])
      sh, sl = add(sh, sl, ph, pl)
    end
    sh, sl = multiply(sh, sl, hh, hl)
    return add(yh, yl, sh, sl)
  end
  for step = 0, n - 1 do
    for i = 1, scheme.stages do
      local th, tl = add(scheme.c[i][1], scheme.c[i][2], step, 0)
      th, tl = multiply(th, tl, hh, hl)
      local xh, xl = combine(scheme.rows[i])
      xh, xl = multiply(xh, xl, xh, xl)
      xh, xl = multiply(xh, xl, th, tl)
      kh[i], kl[i] = -2 * xh, -2 * xl
    end
    yh, yl = combine(scheme.b)
  end
  return (yh - 0.5) + yl
end

local function field(t, y, dy)
  dy[1] = -2 * t * y[1] * y[1]
end
local function solved_error(name, n)
  local s = cn.ode.solve{ f = field, y0 = { 1 }, t1 = 1, steps = n, scheme = name, save_at = { 1 },
                          compensated = true }
  return s.y[1][1] - 0.5
end

-- Least squares of log |error| against log h over n, 2 n, 4 n, .. steps.
local function slope(error_at, n)
  local halvings = quick and 2 or 4
  local sum, squares = 0, 0
  for g = 0, halvings do
    local x = halvings / 2 - g
    sum, squares = sum + x * math.log(math.abs(error_at(n << g)), 2), squares + x * x
  end
  return sum / squares
end

-- From where the leading term of the error shows alone. Verner's pairs were chosen for theirs to be
-- small, so that the next one dominates coarser grids.
local function first_steps(order)
  return order < 6 and 192 or order == 6 and 256 or order == 7 and 192 or 48
end

-- The rounding of a step is that of its largest terms.
local function weight(tableau)
  local sum = 0
  for _, b in ipairs(tableau.b) do sum = sum + math.abs(b) end
  return sum
end

local function orders_text(order, embedded)
  return #embedded == 0 and ("%d"):format(order) or ("%d(%s)"):format(order, table.concat(embedded, ", "))
end

local failed = false
local function report(name, said, trees, measured, off, good)
  failed = failed or not good
  print(("%-12s  %-8s  %-8s  %8s  %9s  %s"):format(name, said, trees, measured, off, good and "" or "DIFFERS"))
end

print "scheme        stated    trees     measured  solve off"
for _, name in ipairs(cn.ode.schemes()) do
  local tableau = cn.ode.tableau(name)
  local by_trees = {}
  for i, formula in ipairs(tableau.embedded) do by_trees[i] = formula.order end
  local trees = orders_text(tableau.order, by_trees)
  local said = stated[name] and orders_text(stated[name][1], { table.unpack(stated[name], 2) }) or "?"
  local scheme = exact(tableau)
  local measured = slope(function(steps) return last_error(scheme, steps) end,
                         first_steps(tableau.order))
  local off = math.abs(solved_error(name, 48) - last_error(scheme, 48))
  report(name, said, trees, ("%.3f"):format(measured), ("%.1e"):format(off),
         said == trees and math.abs(measured - tableau.order) <= 0.1 and off < 1e-15 * weight(tableau))
end
for order = 2, 5 do
  local name = "adams" .. order
  local measured = slope(function(steps) return solved_error(name, steps) end, quick and 256 or 128)
  report(name, tostring(order), "-", ("%.3f"):format(measured), "-", math.abs(measured - order) <= 0.1)
end
if failed then os.exit(3) end
