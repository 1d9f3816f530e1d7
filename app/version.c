#include <stdio.h> /* before Readline's headers, which need FILE */

#include "app/version.h"

#include <cblas.h>
#include <cjson/cJSON.h>
#include <curses.h>
#include <lua.h>
#include <readline/readline.h>
#include <zlib.h>

#include "app/term.h"
#include "kernels/kernels.h"

void version_print(FILE *file) {
    (void)fprintf(file, "continuo %s\n", CONTINUO_VERSION);
    (void)fprintf(file, "  kernels    %s, %s\n", kernels_find(PRECISION_F32)->name,
                  kernels_find(PRECISION_F64)->name);
    (void)fprintf(file, "  OpenBLAS   %s (core %s)\n", openblas_get_config(),
                  openblas_get_corename());
    (void)fprintf(file, "  Lua        %s\n", LUA_RELEASE);
    (void)fprintf(file, "  Readline   %s\n", rl_library_version);
    (void)fprintf(file, "  ncurses    %s\n", curses_version());
    (void)fprintf(file, "  cJSON      %s\n", cJSON_Version());
    (void)fprintf(file, "  zlib       %s\n", zlibVersion());
}

void version_banner(FILE *file) {
    (void)fprintf(file, "continuo %s  Lua %s.%s  kernels %s  %s\n", CONTINUO_VERSION,
                  LUA_VERSION_MAJOR, LUA_VERSION_MINOR, kernels_find(PRECISION_F32)->name,
                  term_traits()->utf8 ? "UTF-8" : "ASCII");
    (void)fprintf(file, "help() or ?topic  TAB completes  F2 live screen  ^C stops or pauses  "
                        "^D leaves\n");
}
