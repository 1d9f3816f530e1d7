/* What the live screen shows, as a model without a terminal: runs, settings, log. Frames are drawn
 * into a grid by frame.c; keys change the settings. screen.c puts frames on a terminal,
 * `watch --once` on standard output, tests read the grid. */
#ifndef CONTINUO_APP_SCENE_H
#define CONTINUO_APP_SCENE_H

#include "lua/plot/canvas.h"
#include "lua/plot/grid.h"
#include "app/track.h"

enum { SCENE_TRACKS = 12, SCENE_LOG = 400, SCENE_PANELS = 4, SCENE_RUNS = 200 };
enum { PANEL_LOSS, PANEL_SWEEP, PANEL_METRICS, PANEL_LOG };

enum scene_overlay { SCENE_NO_OVERLAY, SCENE_HELP, SCENE_PICKER };

enum scene_action { SCENE_NOTHING, SCENE_LEAVE, SCENE_PAUSE, SCENE_RESUME, SCENE_STOP };

struct scene {
    struct track *tracks[SCENE_TRACKS];
    int count;
    enum canvas_kind kind;
    bool is_ascii; /* nothing but ASCII can be shown */
    bool is_mono;
    bool can_pause, can_stop; /* there is somebody to ask: keys p and S are offered */

    int focus, zoomed; /* panels; zoomed -1: none */
    bool log_x[SCENE_PANELS], log_y[SCENE_PANELS];
    int metric; /* of the metrics panel when it has room for one only */
    enum track_x x;
    double span; /* of the smoothing, in steps */
    bool has_cursor;
    double cursor; /* in units of x */
    bool has_range;
    double range_lo, range_hi; /* zoomed range of x */

    enum scene_overlay overlay;
    char runs[512]; /* folder that the picker lists */
    char (*listed)[256];
    int listed_count, picked;

    struct scene_line {
        int style; /* of the run it came from; -1: none */
        char text[256];
    } log[SCENE_LOG];        /* the last lines; line i of log_count is at i % SCENE_LOG */
    int log_count, log_back; /* lines scrolled back */

    char message[200]; /* instead of the key bar; empty: none */
    double ui_share;   /* of one core, in percent; nan: not shown */
};

struct scene *scene_create(void);
void scene_free(struct scene *scene); /* NULL is fine */

/* Adds the run in the folder; one already there is shown again. False with *error set when it is no
 * run, or SCENE_TRACKS are there. */
bool scene_add(struct scene *scene, const char *path, struct error *error);
/* Reads what the runs have written; true when a new frame is due. */
bool scene_update(struct scene *scene);
void scene_log(struct scene *scene, int style, const char *text);

/* A key of term.h. The action is for the caller; everything else has been done. */
enum scene_action scene_key(struct scene *scene, int key);
/* The run that pause, resume and stop are about; NULL when there is none. */
const struct track *scene_subject(const struct scene *scene);

/* For panels: the runs shown, NULL after the last; the range of x; its name. */
const struct track *scene_shown(const struct scene *scene, int index);
/* Whether panel 2 is about convergence: the first run shown that has anything for it decides. */
bool scene_has_convergence(const struct scene *scene);
void scene_range(const struct scene *scene, int panel, double *lo, double *hi);
const char *scene_x_name(const struct scene *scene);

#endif
