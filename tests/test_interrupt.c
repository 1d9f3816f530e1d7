/* ^C stops any Lua code; coroutines that keep track of it behave as the standard ones. */
#include <criterion/criterion.h>
#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "lua/interrupt.h"
#include "lua/state.h"

static lua_State *L;

static void begin(void) {
    struct error error;
    L = state_create(&error);
    cr_assert_not_null(L);
}

static void end(void) {
    state_close(L);
}

TestSuite(interrupt, .init = begin, .fini = end, .timeout = 20);

static void on_alarm(int number) {
    (void)number;
    interrupt_raise();
}

/* Runs code that never ends by itself, raises after 30 ms, and expects it to stop. */
static void stop(const char *code) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {.it_value = {.tv_usec = 30000}};
    struct timespec before, after;
    sigaction(SIGALRM, &action, NULL);
    cr_assert_eq(state_load(L, code, strlen(code), "loop"), STATE_LOADED);
    clock_gettime(CLOCK_MONOTONIC, &before);
    setitimer(ITIMER_REAL, &timer, NULL);
    cr_assert(!state_call(L, 0, 0));
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert_not_null(strstr(lua_tostring(L, -1), "interrupted"));
    cr_assert_lt(after.tv_sec - before.tv_sec, 3);
    cr_assert(interrupt_pending());
    interrupt_clear();
    lua_settop(L, 0);
}

static void run(const char *code) {
    cr_assert_eq(state_load(L, code, strlen(code), "check"), STATE_LOADED, "%s",
                 lua_tostring(L, -1));
    cr_assert(state_call(L, 0, 0), "%s", lua_tostring(L, -1));
}

Test(interrupt, stops_a_loop) {
    stop("while true do end");
}

Test(interrupt, stops_the_solution_of_a_built_in_system) {
    stop("cn.ode.solve{ system = 'lorenz', t1 = 1e9, steps = 1e12, save_at = { 1e9 } }");
}

Test(interrupt, stops_the_solution_of_a_field_in_lua) {
    stop("cn.ode.solve{ f = function(t, y) return { -y[1] } end, y0 = { 1 }, t1 = 1, steps = 1e12, "
         "save_at = { 1 } }");
    stop("while true do pcall(cn.ode.solve, { f = function(t, y) while true do end end, y0 = { 1 }, "
         "t1 = 1, steps = 1 }) end");
}

Test(interrupt, stops_a_loop_around_pcall) {
    stop("while true do pcall(error) end");
    stop("while true do pcall(function() while true do end end) end");
    stop("while true do xpcall(function() local t = nil + 1 end, function(m) return m end) end");
}

Test(interrupt, stops_loops_in_coroutines) {
    stop("coroutine.wrap(function() while true do end end)()");
    stop("local co = coroutine.create(function() while true do end end) "
         "while true do coroutine.resume(co) end");
    stop("local f = coroutine.wrap(function() while true do coroutine.yield() end end) "
         "while true do f() end");
    stop("local function nest(n) if n == 0 then while true do end end "
         "coroutine.wrap(nest)(n - 1) end nest(20)");
    stop("while true do local co = coroutine.wrap(function() pcall(coroutine.yield) end) co() end");
}

Test(interrupt, stops_while_a_coroutine_closes) {
    stop("local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = "
         "function() while true do end end}) coroutine.yield() end) coroutine.resume(co) "
         "coroutine.close(co) while true do end");
}

Test(interrupt, leaves_the_state_usable) {
    run("sleeper = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) sleeper()");
    stop("count = 0 while true do count = count + 1 end");
    run("assert(count > 1000) assert(sleeper() == 2) assert(sleeper() == 3)");
    run("local n = 0 for i = 1, 1e6 do n = n + i end assert(n == 500000500000)");
}

Test(interrupt, no_hook_stays_behind) {
    stop("while true do end");
    run("assert(debug.gethook() == nil)");
}

Test(interrupt, coroutines_behave_as_the_standard_ones) {
    run("local co = coroutine.create(function(a, b) local c = coroutine.yield(a + b) "
        "local d, e = coroutine.yield(c * 2) return d, e, 'end' end) "
        "local function pack(...) return {n = select('#', ...), ...} end "
        "assert(select(2, coroutine.resume(co, 3, 4)) == 7) "
        "assert(select(2, coroutine.resume(co, 5)) == 10) "
        "local r = pack(coroutine.resume(co, nil, 9)) "
        "assert(r.n == 4 and r[1] == true and r[2] == nil and r[3] == 9 and r[4] == 'end') "
        "local ok, why = coroutine.resume(co) "
        "assert(not ok and why == 'cannot resume dead coroutine')");
    run("local f = coroutine.wrap(function() error({code = 7}) end) "
        "local ok, e = pcall(f) assert(not ok and e.code == 7)");
    run("local f = coroutine.wrap(function() error('text') end) "
        "local ok, e = pcall(f) assert(not ok and e:find('text'))");
    run("local ok, e = pcall(coroutine.resume, 3) assert(not ok and e:find('coroutine expected'))");
    run("local closed = false local co = coroutine.create(function() "
        "local x <close> = setmetatable({}, {__close = function() closed = true end}) "
        "coroutine.yield() end) coroutine.resume(co) assert(coroutine.close(co) == true) "
        "assert(closed and coroutine.status(co) == 'dead')");
    run("local co co = coroutine.create(function() return pcall(coroutine.close, co) end) "
        "local _, ok, e = coroutine.resume(co) assert(not ok and e:find('running'))");
    run("local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = "
        "function() error('late', 0) end}) coroutine.yield() end) coroutine.resume(co) "
        "local ok, e = coroutine.close(co) assert(ok == false and e == 'late')");
    run("local ok, e = coroutine.resume(coroutine.create(function() error('x', 0) end)) "
        "assert(ok == false and e == 'x')");
    run("local co = coroutine.create(function() error('x') end) coroutine.resume(co) "
        "assert(coroutine.close(co) == false or true) assert(coroutine.status(co) == 'dead')");
}

Test(interrupt, a_watched_call_hears_of_it) {
    const volatile bool *flag = interrupt_watch();
    cr_assert(!*flag);
    interrupt_raise();
    cr_assert(*flag);
    cr_assert(interrupt_unwatch());
    interrupt_clear();
    cr_assert(!*interrupt_flag());
}
