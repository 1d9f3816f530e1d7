#include "lua/help_topics.h"

#include "lua/help.h"

static const struct help_entry entries[] = {
    {
        .name = "help",
        .group = "prompt",
        .signature = "help()   help(thing)   help \"name\"   ?name",
        .line = "prints the overview, or the page of one thing",
        .text = "thing is a function, a method, an object (a net, a job, ...) or a name. A name "
                "may be the last word alone: help \"train\" finds cn.train. An unknown name is an "
                "error that names the nearest.",
        .example = "help(cn.train)\nhelp \"critical step\"",
    },
    {
        .name = "apropos",
        .group = "prompt",
        .signature = "apropos \"word\"   ??word",
        .line = "lists every page that mentions a word",
        .example = "apropos \"scheme\"",
    },
    {
        .name = "ui",
        .group = "prompt",
        .signature = "ui()   F2",
        .line = "opens the live screen on the running job, or on the newest run",
        .text = "q gives the prompt back; the training goes on. p pauses and resumes, ? lists the "
                "other keys. Without a terminal it is an error that says so.",
    },
    {
        .name = "screen",
        .group = "topics",
        .signature = "",
        .line = "what the panels of the live screen show",
        .text =
            "1 is the training loss: the line a running mean, the dots each step. A vertical rule "
            "with 2 -> 4 is a step controller's decision (of many, those that change most).\n\n"
            "2 is the accuracy of the same weights under other schemes and steps, the trained cell "
            "in brackets. Faint with a tilde: measured on weights that have changed a good deal "
            "since.\n\n"
            "Where dynamics are learned, 2 is the error at the end of a solve over the step h, on "
            "logarithmic axes: a curve per scheme, the true field's dotted behind it in the same "
            "colour, a rule at the step of the training (dt), one at the error that is left as h "
            "goes to 0 (limit), a triangle with the slope of the scheme's order. Slopes are fitted "
            "where the curve has one, +- with 95 %, the expected order in parentheses. Curves that "
            "run level below dt passed; a V at dt means that the field holds the error of its "
            "scheme. An arrow on the axis is an error of zero, ! one that is not finite.\n\n"
            "3 is the validation accuracy (for dynamics: the error as h goes to 0 over that at "
            "dt), "
            "learning rate, gradient norm, and the steps N that a controller changes; m chooses "
            "where there is room for one. 4 is the log. Keys: ?",
    },
    {
        .name = "prompt",
        .group = "topics",
        .signature = "",
        .line = "what the prompt understands",
        .text =
            "A line is Lua. An expression prints its value, fitted to the screen; a trailing ; "
            "hides it. _ is the last value, _1 the same, _2 to _9 the ones before it.\n\n"
            "A chunk that is not finished goes on at the next line. Pasted text is run as one "
            "chunk, and pasted prompts are taken off. local lasts for one chunk only: at the "
            "prompt, leave it out.\n\n"
            "Reading a global that does not exist is an error at the prompt (in scripts and "
            "modules it is nil, as in Lua).\n\n"
            "TAB completes names, fields, methods, the options of a call, schemes, runs and "
            "files. ^R searches the history, which lives in $XDG_STATE_HOME/continuo/history. "
            "$XDG_CONFIG_HOME/continuo/init.lua runs at the start (not with --norc).\n\n"
            "The prompt shows the job at work and how far it is: continuo[1 52%]>, with = for "
            "paused and +2 for two more in the queue. exit, quit or ^D leaves.",
    },
    {
        .name = "interrupt",
        .group = "topics",
        .signature = "",
        .line = "what ^C does",
        .text =
            "At the prompt it clears the line.\n\n"
            "While Lua code runs it stops that code, also in coroutines and in loops around "
            "pcall, and the prompt is back. Evaluations and sweeps stop at their next batch.\n\n"
            "While a job is waited for (job:wait(), the live screen at the prompt) it pauses the "
            "job at its next batch: weights, optimiser and random numbers stay as they are, and "
            "job:resume() goes on with the same bits. A second ^C within 2 seconds stops the job "
            "(weights are kept and written), a third leaves the program with status 130.\n\n"
            "In a script (continuo run, continuo -e) there is no prompt to go back to. On the live "
            "screen the first ^C pauses, p goes on, the next ^C stops the jobs; without a screen "
            "the first one stops them. Stopped jobs write their weights, then the script ends with "
            "status 130. One more ^C does not wait for that.",
    },
    {
        .name = "order",
        .group = "topics",
        .signature = "",
        .line = "what it means that a scheme has order p, and how it is measured",
        .text =
            "A one-step scheme of order p makes an error of size C h^p in the state at the end of "
            "a fixed interval, when the vector field is smooth enough: halving the step divides "
            "the error by 2 (Euler), 4 (midpoint, Heun) or 16 (RK4). On log-log paper error over "
            "step is a line of slope p.\n\n"
            "Measuring it asks for care. Floating point puts a floor under the error, in float32 "
            "after two or three points: orders are measured in f64, and points near the floor are "
            "left out. The reference must be much finer and of higher order, or it bends the "
            "line. Steps must align with the cells of the weights: with N not a multiple of K, or "
            "with stages that read the next cell (edge = \"closed\"), every scheme falls to order "
            "about 1. ReLU is not smooth: RK4 then shows about 2.\n\n"
            "Order alone proves little: the discretisation of any smooth field converges. Whether "
            "the trained task survives h -> 0 is another question; see \"manifestation\".",
    },
    {
        .name = "manifestation",
        .group = "topics",
        .signature = "",
        .line = "the same weights run with another scheme or another number of steps",
        .text =
            "An ODE block holds weights as functions of depth, theta(t). Choosing a scheme and a "
            "number of steps N turns it into a graph of layers: a manifestation. Euler with N = K "
            "is a plain residual net; RK4 reads the field four times a step.\n\n"
            "If training found a vector field, its manifestations agree once the step is fine "
            "enough, and accuracy as trained stays when the step goes to zero. If accuracy falls "
            "under a finer or better scheme, the step has become a part of the learned map: the "
            "net is a layered network, not an ODE (Queiruga et al. 2020, arXiv 2008.02389; Ott et "
            "al., ICLR 2021). cn.sweep makes the table, cn.verdict judges it.",
    },
    {
        .name = "critical step",
        .group = "topics",
        .signature = "",
        .line = "the coarsest training step that still learns a vector field",
        .text =
            "Training with too coarse a step makes the pair (field, scheme) fit the task, not the "
            "field alone. Ott et al. (ICLR 2021) observe a critical step size: trained below it, a "
            "net can be run by any solver at least as accurate as the training one without losing "
            "accuracy; above it, a better solver makes it worse.\n\n"
            "To find it, train with several numbers of steps and look at each net's sweep. The "
            "way out of a failing verdict is a finer step or a scheme of higher order in "
            "training.",
    },
    {
        .name = "schemes",
        .group = "topics",
        .signature = "",
        .line = "the Runge-Kutta schemes, and how to add one",
        .text =
            "cn.ode.schemes() lists them with stages and order. A scheme is a Butcher tableau of "
            "rational numbers with its source; order and first-same-as-last are computed from "
            "the numbers, never declared. Any of them can train a net, run one, and solve an "
            "initial value problem.",
    },
};

void help_topics_register(void) {
    help_register(entries, sizeof entries / sizeof *entries);
}
