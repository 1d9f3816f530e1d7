/* cn.net and cn.load: nets, what they predict and what they hold. While a job trains a net, calls
 * here work on a snapshot of it, and calls that would change it are refused. */
#include <stdio.h>
#include <string.h>

#include "learn/evaluate.h"
#include "lua/bind.h"
#include "lua/help.h"
#include "lua/interrupt.h"
#include "lua/json.h"
#include "nets/net.h"
#include "run/job.h"
#include "run/model_file.h"

static const char net_name[] = "continuo.net";

enum { FORWARD_BATCH = 32, NOTE_SIZE = 240 };

/* ---- boxes --------------------------------------------------------------------------------- */

struct net_box *net_check(lua_State *L, int index) {
    struct net_box *box = luaL_checkudata(L, index, net_name);
    if (!box->net) {
        bind_refuse(L, "this net is closed");
    }
    return box;
}

struct net_box *net_push(lua_State *L) {
    struct net_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct net_box){NULL, NULL};
    luaL_setmetatable(L, net_name);
    return box;
}

static int net_collect(lua_State *L) {
    struct net_box *box = luaL_checkudata(L, 1, net_name);
    struct net *net = box->net;
    box->net = NULL;
    net_free(net);
    return 0;
}

/* Leaving a scope gives the memory back at once, unless a job object still refers to it. */
static int net_close(lua_State *L) {
    const struct net_box *box = luaL_checkudata(L, 1, net_name);
    return box->job ? 0 : net_collect(L);
}

static const struct net *check(lua_State *L) {
    return net_check(L, 1)->net;
}

static const char *config_text(const struct net *net, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(net->config, key);
    return cJSON_IsString(value) ? value->valuestring : "";
}

static int net_tostring(lua_State *L) {
    const struct net_box *box = luaL_checkudata(L, 1, net_name);
    const struct net *net = box->net;
    if (!net) {
        lua_pushliteral(L, "net (closed)");
        return 1;
    }
    const int wanted = net_describe(net, NULL, 0);
    char *text = bind_memory(L, wanted + 1, 1), note[NOTE_SIZE];
    net_describe(net, text, (size_t)wanted + 1);
    for (size_t len = strlen(text); len > 0 && text[len - 1] == '\n'; len--) {
        text[len - 1] = '\0';
    }
    lua_pushstring(L, text);
    if (net_misaligned(net, NULL, note, sizeof note)) {
        lua_pushfstring(L, "\nnote: %s", note);
        lua_concat(L, 2);
    }
    if (net_training(box)) {
        lua_pushfstring(L, "\nin training by job \"%s\"", job_name(box->job));
        lua_concat(L, 2);
    }
    return bind_done(L, 1);
}

/* ---- fields -------------------------------------------------------------------------------- */

static int get_count(lua_State *L) {
    lua_pushinteger(L, check(L)->trainable_len);
    return 1;
}

static int get_config(lua_State *L) {
    json_to_lua(L, check(L)->config);
    return 1;
}

static int get_family(lua_State *L) {
    lua_pushstring(L, config_text(check(L), "family"));
    return 1;
}

static int get_scheme(lua_State *L) {
    const struct net *net = check(L);
    if (net_ode_count(net) == 0) {
        return 0;
    }
    lua_pushstring(L, net_trained(net).scheme->name);
    return 1;
}

static int get_steps(lua_State *L) {
    const struct net *net = check(L);
    if (net_ode_count(net) == 0) {
        return 0;
    }
    lua_pushinteger(L, net_trained(net).steps);
    return 1;
}

static int get_nodes(lua_State *L) {
    const struct net *net = check(L);
    if (net_ode_count(net) == 0) {
        return 0;
    }
    lua_pushinteger(L, net_ode_nodes(net, 0));
    return 1;
}

static int get_precision(lua_State *L) {
    lua_pushstring(L, precision_names[check(L)->kernels->precision]);
    return 1;
}

static int get_outputs(lua_State *L) {
    lua_pushinteger(L, check(L)->outputs);
    return 1;
}

static int get_input(lua_State *L) {
    const struct net *net = check(L);
    lua_createtable(L, 3, 0);
    for (int d = 0; d < 3; d++) {
        lua_pushinteger(L, net->input[d]);
        lua_rawseti(L, -2, d + 1);
    }
    return 1;
}

static int get_note(lua_State *L) {
    char note[NOTE_SIZE];
    if (!net_misaligned(check(L), NULL, note, sizeof note)) {
        return 0;
    }
    lua_pushstring(L, note);
    return 1;
}

/* ---- making, saving, loading --------------------------------------------------------------- */

static void weigh(lua_State *L, const struct net *net) {
    const size_t reals = (size_t)(net->value_len + net->trainable_len);
    bind_weigh(L, reals * net->kernels->real_size);
}

static void say_note(lua_State *L, const char *call, const struct net *net,
                     const struct manifestation *how) {
    char note[NOTE_SIZE];
    if (net_misaligned(net, how, note, sizeof note)) {
        bind_note(L, "%s: %s", call, note);
    }
}

/* Upvalue: index of the family. */
static int family_call(lua_State *L) {
    const struct family *family = family_at((int)lua_tointeger(L, lua_upvalueindex(1)));
    char call[64];
    struct error error;
    (void)snprintf(call, sizeof call, "cn.net.%s", family->name);
    lua_settop(L, 1);
    bind_table(L, 1, call);
    cJSON *config = bind_json(L, 1, call, NULL);
    if (cJSON_HasObjectItem(config, "family")) {
        bind_refuse(L, "%s: unknown option \"family\"; the name of the call says it", call);
    }
    cJSON_AddStringToObject(config, "family", family->name);
    struct net_box *box = net_push(L);
    box->net = net_create(config, &error);
    if (!box->net) {
        bind_raise(L, &error);
    }
    weigh(L, box->net);
    say_note(L, call, box->net, NULL);
    return bind_done(L, 1);
}

static int net_to(lua_State *L) {
    const struct net_box *source = net_check(L, 1);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    int precision = 0;
    while (precision_names[precision] && strcmp(precision_names[precision], name) != 0) {
        precision++;
    }
    if (!precision_names[precision]) {
        bind_refuse(L, "net:to: the precision must be \"f32\" or \"f64\", not %s",
                    lua_isnoneornil(L, 2) ? "nothing" : luaL_tolstring(L, 2, NULL));
    }
    struct error error;
    struct job *job = net_training(source);
    struct net_box *box = net_push(L);
    box->net = job ? job_snapshot(job, (enum precision)precision, &error)
                   : net_clone(source->net, (enum precision)precision, &error);
    if (!box->net) {
        bind_raise(L, &error);
    }
    weigh(L, box->net);
    return 1;
}

static int net_save(lua_State *L) {
    net_check(L, 1);
    const char *path = luaL_checkstring(L, 2);
    struct error error;
    const struct net *net = net_use(L, 1, -1);
    if (!model_save(net, path, &error)) {
        bind_raise(L, &error);
    }
    bind_done(L, 0);
    lua_settop(L, 1);
    return 1;
}

static int load_call(lua_State *L) {
    if (lua_type(L, 1) != LUA_TSTRING) {
        bind_refuse(L, "cn.load takes the path of a saved net, cn.load \"m.safetensors\", not %s%s",
                    lua_isnoneornil(L, 1) ? "nothing" : "a ",
                    lua_isnoneornil(L, 1) ? "" : luaL_typename(L, 1));
    }
    struct error error;
    struct net_box *box = net_push(L);
    box->net = model_load(lua_tostring(L, 1), &error);
    if (!box->net) {
        bind_raise(L, &error);
    }
    weigh(L, box->net);
    return 1;
}

/* ---- parameters ---------------------------------------------------------------------------- */

static void push_values(lua_State *L, const struct net *net, bool trainable) {
    lua_createtable(L, 0, net->parameter_count);
    for (int p = 0; p < net->parameter_count; p++) {
        const struct parameter *parameter = &net->parameters[p];
        if (parameter->trainable != trainable) {
            continue;
        }
        struct array *array =
            array_new(L, parameter->rank, parameter->shape, net->kernels->precision);
        net->kernels->to_doubles(array->values, net_value(net, parameter), parameter->len);
        lua_setfield(L, -2, parameter->name);
    }
}

static int net_parameters(lua_State *L) {
    net_check(L, 1);
    push_values(L, net_use(L, 1, -1), true);
    return bind_done(L, 1);
}

/* net:terms() -> list of names. */
static int net_terms(lua_State *L) {
    const struct net *net = net_check(L, 1)->net;
    const int count = net_term_count(net);
    if (count == 0) {
        bind_refuse(L, "net:terms: this net's field is no polynomial; cn.net.dynamics{ model = "
                       "\"polynomial\" } has terms");
    }
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        char name[NET_TERM_SIZE];
        net_term_name(net, i, name);
        lua_pushstring(L, name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int net_statistics(lua_State *L) {
    net_check(L, 1);
    push_values(L, net_use(L, 1, -1), false);
    return bind_done(L, 1);
}

static void refuse_parameter(lua_State *L, const struct net *net, const char *name) {
    enum { NAMES_MAX = 256 };
    const char *names[NAMES_MAX];
    int count = net->parameter_count < NAMES_MAX ? net->parameter_count : NAMES_MAX;
    for (int p = 0; p < count; p++) {
        names[p] = net->parameters[p].name;
    }
    const char *nearest = option_nearest(name, names, count);
    bind_refuse(L, "net:set: there is no parameter \"%.80s\"%s%s%s", name,
                nearest ? "; nearest is \"" : " (see net:parameters() and net:statistics())",
                nearest ? nearest : "", nearest ? "\"" : "");
}

static void write_shape(char *text, size_t size, int rank, const ptrdiff_t *shape) {
    size_t used = 0;
    text[0] = '\0';
    for (int d = 0; d < rank && used < size; d++) {
        int more = snprintf(text + used, size - used, d ? " x %td" : "%td", shape[d]);
        used += more > 0 ? (size_t)more : 0;
    }
}

static int net_set(lua_State *L) {
    const struct net_box *box = net_check(L, 1);
    const char *name = luaL_checkstring(L, 2);
    struct net *net = box->net;
    net_refuse_training(L, box, "change");
    const struct parameter *parameter = net_parameter(net, name);
    if (!parameter) {
        refuse_parameter(L, net, name);
        return 0;
    }
    const struct array *array = array_from(L, 3, "net:set: the value");
    if (array->rank != parameter->rank ||
        memcmp(array->shape, parameter->shape, (size_t)array->rank * sizeof array->shape[0]) != 0) {
        char mine[120], given[120];
        write_shape(mine, sizeof mine, parameter->rank, parameter->shape);
        write_shape(given, sizeof given, array->rank, array->shape);
        bind_refuse(L, "net:set: \"%s\" has the shape %s, the value %s", name, mine, given);
    }
    net->kernels->from_doubles(net_value(net, parameter), array->values, array->len);
    net_touch(net);
    lua_settop(L, 1);
    return 1;
}

/* ---- running ------------------------------------------------------------------------------- */

static int net_evaluate(lua_State *L) {
    static const char call[] = "net:evaluate";
    struct how_options options;
    struct manifestation how;
    struct evaluation result;
    struct error error;
    char note[NOTE_SIZE];
    lua_settop(L, 3);
    net_check(L, 1);
    const struct part *part = part_check(L, 2, call, "test");
    how_read(L, 3, call, &options, &how);
    how_fits(L, call, net_check(L, 1)->net, &how);
    how_range(L, call, part, &options);
    struct pool *pool = bind_pool(L);
    struct net *net = net_use(L, 1, options.precision - 1);
    const volatile bool *stop = interrupt_watch();
    const bool ok = evaluate(net, part, options.first - 1, options.count, &how, pool, stop, &result,
                             NULL, &error);
    if (interrupt_unwatch()) {
        return luaL_error(L, "interrupted");
    }
    if (!ok) {
        bind_raise(L, &error);
    }
    evaluation_push(L, &result, part->set->classes > 0);
    if (net_misaligned(net, &how, note, sizeof note)) {
        lua_pushstring(L, note);
        lua_setfield(L, -2, "note");
    }
    return bind_done(L, 1);
}

static int net_logits(lua_State *L) {
    static const char call[] = "net:logits";
    struct how_options options;
    struct manifestation how;
    struct evaluation result;
    struct error error;
    lua_settop(L, 3);
    net_check(L, 1);
    const struct part *part = part_check(L, 2, call, "test");
    how_read(L, 3, call, &options, &how);
    how_fits(L, call, net_check(L, 1)->net, &how);
    how_range(L, call, part, &options);
    struct pool *pool = bind_pool(L);
    struct net *net = net_use(L, 1, options.precision - 1);
    const ptrdiff_t shape[2] = {options.count, net->outputs};
    struct array *array = array_new(L, 2, shape, net->kernels->precision);
    const volatile bool *stop = interrupt_watch();
    const bool ok = evaluate(net, part, options.first - 1, options.count, &how, pool, stop, &result,
                             array->values, &error);
    if (interrupt_unwatch()) {
        return luaL_error(L, "interrupted");
    }
    if (!ok) {
        bind_raise(L, &error);
    }
    return bind_done(L, 1);
}

static void pass_release(void *pass) {
    pass_free(pass);
}

/* How many samples the array holds for this net; raises when its shape does not fit. */
static ptrdiff_t samples_of(lua_State *L, const struct net *net, const struct array *x) {
    const ptrdiff_t *input = net->input;
    const bool flat = input[1] == 1 && input[2] == 1;
    const int inner = flat && x->rank <= 2 ? 1 : 3; /* dimensions of one sample */
    bool fits = x->rank == inner || x->rank == inner + 1;
    for (int d = 0; fits && d < inner; d++) {
        fits = x->shape[x->rank - inner + d] == input[d];
    }
    if (!fits || x->len == 0) {
        char given[120];
        write_shape(given, sizeof given, x->rank, x->shape);
        bind_refuse(L,
                    "net:forward: the net reads (count, %td, %td, %td)%s, but the input has the "
                    "shape (%s)",
                    input[0], input[1], input[2], flat ? " or (count, features)" : "", given);
    }
    return x->rank == inner ? 1 : x->shape[0];
}

/* net:forward(x [, { scheme=, steps=, edge=, precision= }]) -> array (count, outputs). */
static int net_forward(lua_State *L) {
    static const char call[] = "net:forward";
    struct how_options options;
    struct error error;
    struct pass_options plan = {0};
    lua_settop(L, 3);
    net_check(L, 1);
    const struct array *x = array_from(L, 2, "net:forward: the input");
    how_read(L, 3, call, &options, &plan.how);
    how_fits(L, call, net_check(L, 1)->net, &plan.how);
    if (options.first != 1 || options.count != 0) {
        bind_refuse(L, "%s: \"first\" and \"count\" are for net:logits; give the samples you want",
                    call);
    }
    plan.pool = bind_pool(L);
    struct net *net = net_use(L, 1, options.precision - 1);
    const ptrdiff_t count = samples_of(L, net, x);
    const ptrdiff_t len = net->input[0] * net->input[1] * net->input[2];
    plan.batch = count < FORWARD_BATCH ? count : FORWARD_BATCH;
    void *reals = bind_memory(L, plan.batch * len, net->kernels->real_size);
    const ptrdiff_t shape[2] = {count, net->outputs};
    struct array *y = array_new(L, 2, shape, net->kernels->precision);
    const int result = lua_gettop(L);
    struct bind_box *box = bind_box(L, pass_release);
    struct pass *pass = box->pointer = pass_create(net, &plan, &error);
    if (!pass) {
        bind_raise(L, &error);
    }
    const volatile bool *stop = interrupt_watch();
    for (ptrdiff_t at = 0; at < count && !*stop; at += plan.batch) {
        const ptrdiff_t some = count - at < plan.batch ? count - at : plan.batch;
        net->kernels->from_doubles(reals, x->values + at * len, some * len);
        net->kernels->to_doubles(y->values + at * net->outputs, pass_forward(pass, reals, some),
                                 some * net->outputs);
    }
    if (interrupt_unwatch()) {
        return luaL_error(L, "interrupted");
    }
    lua_pushvalue(L, result);
    return bind_done(L, 1);
}

/* ---- help ---------------------------------------------------------------------------------- */

static int family_sets(const char *name, struct help_options *sets) {
    for (int i = 0; i < family_count(); i++) {
        if (!strcmp(family_at(i)->name, name)) {
            sets[0] = (struct help_options){family_at(i)->options, family_at(i)->option_count};
            return 1;
        }
    }
    return 0;
}

static int continuous_sets(struct help_options *sets) {
    return family_sets("continuous", sets);
}

static int residual_sets(struct help_options *sets) {
    return family_sets("residual", sets);
}

static int mlp_sets(struct help_options *sets) {
    return family_sets("mlp", sets);
}

static int dynamics_sets(struct help_options *sets) {
    return family_sets("dynamics", sets);
}

static int stack_sets(struct help_options *sets) {
    return family_sets("stack", sets);
}

static int how_sets(struct help_options *sets) {
    sets[0] = (struct help_options){how_options_table, how_options_count};
    return 1;
}

static const struct help_argument part_arguments[] = {
    {"part", "data.train, data.valid or data.test (a data set stands for its test part)"}, {0}};

static const struct help_entry entries[] = {
    {.name = "net",
     .group = "nets",
     .signature = "net.count, net.config, net.scheme, net.steps",
     .line = "a net: layers planned from a configuration, and its weights",
     .text =
         "Fields: count (trainable parameters), config (every option resolved), family, "
         "scheme and steps (as trained; nil without ODE blocks), nodes, precision, input "
         "{ channels, height, width }, outputs, note (when steps do not align with the nodes). "
         "While a job trains a net, its methods work on a snapshot of the last finished batch."},
    {.name = "cn.net.continuous",
     .group = "nets",
     .signature = "cn.net.continuous{ input={C,H,W}, classes=, width=, scheme=, steps=, nodes= } "
                  "-> net",
     .line = "a continuous-in-depth net: ODE blocks of convolutions, stitched together",
     .text = "Stem, three ODE blocks with weights that are functions of depth, two stitches that "
             "halve the picture and double the channels, average pool, linear head (Queiruga et "
             "al. 2020). Everything impossible is refused here: shapes that cannot fit, unknown "
             "schemes. Steps that do not align with the nodes are noted, not refused.",
     .example = "net = cn.net.continuous{ input = { 1, 28, 28 }, width = 8, scheme = \"rk4\" }\n"
                "print(net)",
     .options = continuous_sets},
    {.name = "cn.net.residual",
     .group = "nets",
     .signature = "cn.net.residual{ input={C,H,W}, classes=, width=, ... } -> net",
     .line = "the plain residual net built of the same units",
     .text = "x + R(x), unit after unit: the net of cn.net.continuous inside forward Euler with "
             "one step and one node a unit.",
     .example = "print(cn.net.residual{ input = { 1, 28, 28 }, width = 8, nodes = 2 })",
     .options = residual_sets},
    {.name = "cn.net.mlp",
     .group = "nets",
     .signature = "cn.net.mlp{ ... } -> net",
     .line = "an ODE block of dense layers on feature vectors, and a linear head",
     .text = "The field has `layers` hidden layers of `hidden` features; zero features can be "
             "appended to the state (augment).",
     .example = "net = cn.net.mlp{ input = { 2 }, hidden = 16, act = \"tanh\" }\nprint(net)",
     .options = mlp_sets},
    {.name = "cn.net.dynamics",
     .group = "nets",
     .signature = "cn.net.dynamics{ state=, dt=, model=, scheme=, steps= } -> net",
     .line = "a vector field on states, learned from states an interval apart",
     .text = "The net is the field y' = R(y) and nothing else; its outputs are the states one "
             "interval dt later, through `steps` steps of the scheme, or, with intervals = m, "
             "the m states that follow, as samples of windows have. With times = \"given\" "
             "samples carry their t and dt behind the state, and with time = true the field reads "
             "the time, y' = R(t, y). Train it on cn.data.system "
             "or cn.data.trajectory, judge it by cn.verdict{ system=, net= }, solve it by "
             "cn.ode.solve{ net=, y0=, t1= }. The matrix of a linear model is "
             "net:parameters()[\"block1.fc1.weight\"].",
     .example = "net = cn.net.dynamics{ state = 2, dt = 0.1, hidden = 20, scheme = \"rk4\" }\n"
                "s = cn.ode.solve{ net = net, y0 = { 1, 0 }, t1 = 1, scheme = \"rk4\", steps = 10 }\n"
                "y = net:forward{ 1, 0 }\n"
                "assert(math.abs(s.y[2][1] - y:data()[1]) < 1e-12)",
     .options = dynamics_sets},
    {.name = "cn.net.stack",
     .group = "nets",
     .signature = "cn.net.stack{ input={C,H,W}, layers={ {layer=\"conv\", out=8}, ... } } -> net",
     .line = "a net written layer by layer, with vector fields of your own",
     .text = "Layers: conv{ out, kernel = 3 | 1, stride, bias }, dense{ out, bias }, "
             "norm{ norm_update, momentum }, relu, tanh, gelu, softplus, pool (mean over all "
             "pixels), flatten, monomials{ degree } (all products of so many features or "
             "fewer), residual{ body, down, stride, factor } and ode{ body, scheme, steps, "
             "nodes, basis, eps, edge, skip }; the body of an ode keeps the shape of the "
             "state. Each may have a name; parameters are called <name>.weight, or "
             "<block>.<name>.weight in a body.",
     .example = "field = { { layer = \"tanh\" }, { layer = \"dense\", out = 4 } }\n"
                "net = cn.net.stack{ input = { 4 }, layers = {\n"
                "  { layer = \"ode\", body = field, scheme = \"rk4\", steps = 2 },\n"
                "  { layer = \"dense\", out = 2 } } }\nprint(net)",
     .options = stack_sets},
    {.name = "cn.load",
     .group = "nets",
     .signature = "cn.load(path) -> net",
     .line = "reads a net that was saved, with its configuration",
     .text = "A loaded net predicts the same bits. Refused with a sentence: a missing, truncated "
             "or foreign file, tensors that do not belong to the configuration."},
    {.name = "net:save",
     .group = "nets",
     .signature = "net:save(path) -> net",
     .line = "writes weights and configuration as safetensors, whole or not at all"},
    {.name = "net:evaluate",
     .group = "nets",
     .signature = "net:evaluate(part, { scheme=, steps=, precision= }) -> { accuracy=, loss=, "
                  "count=, seconds=, evaluations= }",
     .line = "accuracy (0 to 1) and mean loss on a part of a data set",
     .text = "The same weights can be run under another scheme, number of steps or precision. "
             "seconds is wall time; evaluations counts the vector field per sample. note is set "
             "when steps do not align with the nodes. ^C gives the prompt back.",
     .arguments = part_arguments,
     .options = how_sets},
    {.name = "net:logits",
     .group = "nets",
     .signature = "net:logits(part, { first=, count=, scheme=, steps=, precision= }) -> array "
                  "(count, outputs)",
     .line = "the outputs of the net for samples of a part",
     .arguments = part_arguments,
     .options = how_sets},
    {.name = "net:forward",
     .group = "nets",
     .signature = "net:forward(x, { scheme=, steps=, precision= }) -> array (count, outputs)",
     .line = "the outputs for given inputs, which are not normalised",
     .text = "x is an array or table (count, C, H, W), or one sample (C, H, W); nets of vectors "
             "also read (count, features) and (features). Stored statistics are used.",
     .options = how_sets},
    {.name = "net:to",
     .group = "nets",
     .signature = "net:to(precision) -> net",
     .line = "a copy of the net in \"f32\" or \"f64\"",
     .text = "The net itself stays as it is. From f32 to f64 is exact."},
    {.name = "net:parameters",
     .group = "nets",
     .signature = "net:parameters() -> { name = array }",
     .line = "copies of the trainable parameters, by name"},
    {.name = "net:terms",
     .group = "nets",
     .signature = "net:terms() -> { \"1\", \"x1\", .. \"x1^2 x2\", .. }",
     .line = "the monomials of a polynomial field, one for each column of its weights",
     .text = "Each row of net:parameters()[\"block1.fc1.weight\"] holds the coefficients of one "
             "component of y' in the order of these names; t is the time, where the field reads "
             "it.",
     .example = "net = cn.net.dynamics{ state = 2, dt = 0.1, model = \"polynomial\", degree = 3 }\n"
                "names = net:terms()\n"
                "assert(#names == 10 and names[8] == \"x1^2 x2\")"},
    {.name = "net:statistics",
     .group = "nets",
     .signature = "net:statistics() -> { name = array }",
     .line = "copies of the running statistics of normalisations, by name"},
    {.name = "net:set",
     .group = "nets",
     .signature = "net:set(name, array) -> net",
     .line = "overwrites a parameter or a running statistic",
     .text = "Shapes must be equal. Refused while a job trains the net."},
};

static const luaL_Reg methods[] = {{"evaluate", net_evaluate},
                                   {"logits", net_logits},
                                   {"forward", net_forward},
                                   {"profile", net_profile},
                                   {"to", net_to},
                                   {"save", net_save},
                                   {"parameters", net_parameters},
                                   {"statistics", net_statistics},
                                   {"terms", net_terms},
                                   {"set", net_set},
                                   {NULL, NULL}};
static const luaL_Reg getters[] = {{"count", get_count},
                                   {"config", get_config},
                                   {"family", get_family},
                                   {"scheme", get_scheme},
                                   {"steps", get_steps},
                                   {"nodes", get_nodes},
                                   {"input", get_input},
                                   {"precision", get_precision},
                                   {"outputs", get_outputs},
                                   {"note", get_note},
                                   {NULL, NULL}};
static const luaL_Reg meta[] = {
    {"__gc", net_collect}, {"__close", net_close}, {"__tostring", net_tostring}, {NULL, NULL}};

static const struct bind_type type = {net_name, methods, getters, meta, NULL};

void bind_net_open(lua_State *L) {
    bind_type(L, &type);
    help_register(entries, sizeof entries / sizeof *entries);
    lua_newtable(L);
    for (int i = 0; i < family_count(); i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, family_call, 1);
        lua_setfield(L, -2, family_at(i)->name);
    }
    lua_setfield(L, -2, "net");
    lua_pushcfunction(L, load_call);
    lua_setfield(L, -2, "load");
}
