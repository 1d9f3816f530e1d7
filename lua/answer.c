#include "lua/answer.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "lua/bind.h"
#include "lua/interrupt.h"
#include "run/job.h"

static const char thread_key; /* its address: the coroutine in the registry */
static lua_State *own;        /* that coroutine; NULL: no state is open */
static bool busy;             /* a function that waits for jobs must not be asked meanwhile */

static int forget(lua_State *L) {
    (void)L;
    own = NULL;
    return 0;
}

void answer_open(lua_State *L) {
    own = lua_newthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &thread_key);
    lua_newuserdatauv(L, 0, 0); /* collected when the state is closed */
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, forget);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &own);
}

bool answer_wanted(void) {
    struct steering_decision question;
    for (int i = 0; own && !busy && i < job_count(); i++) {
        if (job_question(job_at(i), &question)) {
            return true;
        }
    }
    return false;
}

/* ---- what a function is told ----------------------------------------------------------------- */

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_view(lua_State *L, const struct steering_view *view, bool classes) {
    lua_pushstring(L, view->scheme->name);
    lua_setfield(L, -2, "scheme");
    set_integer(L, "steps", view->steps);
    set_number(L, "loss", view->loss);
    if (classes) {
        set_number(L, "accuracy", view->accuracy);
    }
}

static void push_info(lua_State *L, int job, const struct steering_decision *question) {
    lua_getiuservalue(L, job, JOB_DATA);
    const bool classes = data_check(L, -1)->set->classes > 0;
    lua_createtable(L, 0, 9);
    set_view(L, &question->trained, classes);
    lua_createtable(L, 0, 4);
    set_view(L, &question->test, classes);
    lua_setfield(L, -2, "test");
    set_integer(L, "step", question->step);
    set_number(L, "distance", question->distance);
    set_number(L, "threshold", question->threshold);
    lua_pushvalue(L, job);
    lua_setfield(L, -2, "job");
}

/* ---- one answer ------------------------------------------------------------------------------ */

struct answer {
    struct job *job;
    struct steering_decision question;
    int steps;
    char text[sizeof((struct steering_decision *)0)->text];
};

/* Called protected with the job object and a light userdata, the answer to fill in. */
static int decide(lua_State *L) {
    struct answer *answer = lua_touserdata(L, 2);
    lua_getiuservalue(L, 1, JOB_DECIDE);
    push_info(L, 1, &answer->question); /* leaves the data set below it */
    lua_remove(L, -2);
    lua_call(L, 1, 2);
    if (lua_toboolean(L, -2)) {
        int whole;
        const lua_Integer steps = lua_tointegerx(L, -2, &whole);
        if (!whole || steps < 1 || steps > NET_STEPS_MAX) {
            return luaL_error(L, "it returned %s, which is no number of steps",
                              luaL_tolstring(L, -2, NULL));
        }
        answer->steps = (int)steps;
    }
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    (void)snprintf(answer->text, sizeof answer->text, "%s", text);
    return 0;
}

static void give(lua_State *L, struct answer *answer) {
    lua_pushcfunction(L, decide);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, answer);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        const char *why = lua_tostring(L, -1);
        answer->steps = 0;
        (void)snprintf(answer->text, sizeof answer->text, "kept: control.decide failed: %.150s",
                       why ? why : "no reason");
        lua_warning(L, answer->text, 0);
        lua_pop(L, 1);
    }
    job_answer(answer->job, answer->question.step, answer->steps, answer->text);
}

static int answer_all(lua_State *L) {
    struct answer answer;
    train_push_jobs(L);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 1); i++) {
        lua_rawgeti(L, 1, i);
        const struct job_box *box = lua_touserdata(L, -1);
        answer = (struct answer){.job = box->job};
        if (box->job && job_question(box->job, &answer.question)) {
            give(L, &answer);
        } else {
            lua_pop(L, 1);
        }
    }
    return 0;
}

void answer_jobs(void) {
    if (!answer_wanted()) {
        return;
    }
    lua_State *before = interrupt_enter(own);
    busy = true;
    lua_pushcfunction(own, answer_all);
    if (lua_pcall(own, 0, 0, 0) != LUA_OK) { /* no memory for the list: the jobs will not wait long */
        lua_pop(own, 1);
    }
    busy = false;
    (void)interrupt_enter(before);
}
