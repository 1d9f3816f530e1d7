/* What a run was made with: version, machine, command line and the state of the git work tree. */
#ifndef CONTINUO_RUN_MACHINE_H
#define CONTINUO_RUN_MACHINE_H

#include <cjson/cJSON.h>

/* {"version", "started", "host", "pid", "cpu", "git": {"commit", "dirty"} or null, "argv"}; what
 * cannot be found out is null. The caller owns it; NULL when memory is short. Asks git by running
 * it, for at most two seconds. */
cJSON *machine_facts(void);

#endif
