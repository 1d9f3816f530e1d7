#include "depth/tableau.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "base/text.h"

enum { SCHEMES_MAX = 128, NAME_SIZE = 32 };

/* As many texts as a scheme can have. */
enum {
    TEXTS_MAX =
        2 + 2 * TABLEAU_ERRORS_MAX +
        TABLEAU_STAGES_MAX * (1 + TABLEAU_STAGES_MAX + TABLEAU_DEGREE_MAX + TABLEAU_ERRORS_MAX)
};

#define SCHEME(...) {__VA_ARGS__},
static struct tableau built_in[] = {
#include "depth/schemes.def"
};
#undef SCHEME

enum { BUILT_IN = sizeof built_in / sizeof *built_in };

/* A built-in scheme is completed when it is first asked for. Added entries never change and never
 * go; their count grows after the entry stands. */
static atomic_bool completed[BUILT_IN];
static pthread_mutex_t completing = PTHREAD_MUTEX_INITIALIZER;
static const struct tableau *added[SCHEMES_MAX - BUILT_IN];
static atomic_int added_count;
static pthread_mutex_t registering = PTHREAD_MUTEX_INITIALIZER;

int tableau_count(void) {
    return BUILT_IN + atomic_load(&added_count);
}

static const char *name_at(int index) {
    return index < BUILT_IN ? built_in[index].name : added[index - BUILT_IN]->name;
}

static void complete(int index) {
    (void)pthread_mutex_lock(&completing);
    if (!atomic_load(&completed[index])) {
        struct error error;
        if (!tableau_complete(&built_in[index], &error)) {
            assert(!"a built-in scheme is wrong");
            abort();
        }
        atomic_store(&completed[index], true);
    }
    (void)pthread_mutex_unlock(&completing);
}

const struct tableau *tableau_at(int index) {
    assert(index >= 0 && index < tableau_count());
    if (index >= BUILT_IN) {
        return added[index - BUILT_IN];
    }
    if (!atomic_load(&completed[index])) {
        complete(index);
    }
    return &built_in[index];
}

static const struct tableau *lookup(const char *name) {
    const int count = tableau_count();
    for (int i = 0; i < count; i++) {
        if (strcmp(name_at(i), name) == 0) {
            return tableau_at(i);
        }
    }
    return NULL;
}

const struct tableau *tableau_find(const char *name, struct error *error) {
    const struct tableau *const found = lookup(name);
    if (found) {
        return found;
    }
    const char *names[SCHEMES_MAX];
    const int count = tableau_count();
    for (int i = 0; i < count; i++) {
        names[i] = name_at(i);
    }
    char quoted[TEXT_QUOTE_SIZE], list[240];
    (void)text_quote(quoted, name);
    const char *const nearest = option_nearest(name, names, count);
    if (nearest) {
        (void)error_set(error, ERROR_VALUE,
                        "scheme %s does not exist; nearest is \"%s\" (see cn.ode.schemes())",
                        quoted, nearest);
    } else {
        (void)error_set(error, ERROR_VALUE,
                        "scheme %s does not exist; there are %s (see cn.ode.schemes())", quoted,
                        text_list(list, sizeof list, names, count));
    }
    return NULL;
}

static bool is_name(const char *name) {
    const size_t len = strlen(name);
    bool good = len > 0 && len < NAME_SIZE && !isdigit((unsigned char)name[0]);
    for (size_t i = 0; i < len; i++) {
        good = good && (isalnum((unsigned char)name[i]) || name[i] == '_');
    }
    return good;
}

/* Whether they step, estimate and interpolate alike, and are of the same orders: digits beyond
 * doubles show in the latter. */
static bool are_same(const struct tableau *x, const struct tableau *y) {
    bool same =
        x->stages == y->stages && x->order == y->order && x->error_count == y->error_count &&
        x->dense_order == y->dense_order && memcmp(x->av, y->av, sizeof x->av) == 0 &&
        memcmp(x->bv, y->bv, sizeof x->bv) == 0 && memcmp(x->dense, y->dense, sizeof x->dense) == 0;
    for (int k = 0; k < x->error_count && same; k++) {
        same = x->error[k].order == y->error[k].order &&
               memcmp(x->error[k].e, y->error[k].e, sizeof x->error[k].e) == 0;
    }
    return same;
}

/* Sets `texts` to where the scheme keeps its texts, those that it has; returns how many. */
static int find_texts(struct tableau *tableau, const char **texts[TEXTS_MAX]) {
    int count = 0;
    texts[count++] = &tableau->name;
    texts[count++] = &tableau->source;
    for (int i = 0; i < TABLEAU_STAGES_MAX; i++) {
        texts[count++] = &tableau->b[i];
        for (int j = 0; j < i; j++) {
            texts[count++] = &tableau->a[i][j];
        }
        for (int k = 0; k < TABLEAU_DEGREE_MAX; k++) {
            texts[count++] = &tableau->interpolant[i][k];
        }
        for (int k = 0; k < tableau->error_count; k++) {
            texts[count++] = &tableau->error[k].given[i];
        }
    }
    for (int k = 0; k < tableau->error_count; k++) {
        texts[count++] = &tableau->error[k].name;
        texts[count++] = &tableau->error[k].source;
    }
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (*texts[i]) {
            texts[kept++] = texts[i];
        }
    }
    return kept;
}

/* A copy with its texts behind it in one piece of memory, or NULL. */
static struct tableau *copy_of(const struct tableau *tableau) {
    struct tableau given = *tableau;
    const char **texts[TEXTS_MAX];
    const int count = find_texts(&given, texts);
    size_t size = sizeof given;
    for (int i = 0; i < count; i++) {
        size += strlen(*texts[i]) + 1;
    }
    struct tableau *const copy = malloc(size);
    if (!copy) {
        return NULL;
    }
    char *next = (char *)(copy + 1);
    for (int i = 0; i < count; i++) {
        const size_t len = strlen(*texts[i]) + 1;
        *texts[i] = memcpy(next, *texts[i], len);
        next += len;
    }
    *copy = given;
    return copy;
}

static const struct tableau *append(const struct tableau *tableau, struct error *error) {
    const int count = tableau_count();
    if (count == SCHEMES_MAX) {
        (void)error_set(error, ERROR_STATE,
                        "scheme \"%s\": there are %d schemes and no room for more", tableau->name,
                        count);
        return NULL;
    }
    struct tableau *const copy = copy_of(tableau);
    if (!copy) {
        (void)error_set(error, ERROR_MEMORY, "no memory for scheme \"%s\"", tableau->name);
        return NULL;
    }
    added[count - BUILT_IN] = copy;
    atomic_store(&added_count, count - BUILT_IN + 1);
    return copy;
}

const struct tableau *tableau_register(const struct tableau *tableau, struct error *error) {
    if (!is_name(tableau->name)) {
        char quoted[TEXT_QUOTE_SIZE];
        (void)error_set(
            error, ERROR_VALUE,
            "%s cannot name a scheme; a name is a word of at most %d letters, digits and "
            "underscores",
            text_quote(quoted, tableau->name), NAME_SIZE - 1);
        return NULL;
    }
    assert(tableau->order > 0);
    (void)pthread_mutex_lock(&registering);
    const struct tableau *entry = lookup(tableau->name);
    if (!entry) {
        entry = append(tableau, error);
    } else if (!are_same(entry, tableau)) {
        (void)error_set(error, ERROR_VALUE,
                        "scheme \"%s\" exists with other coefficients (%s); choose another name",
                        tableau->name, entry->source);
        entry = NULL;
    }
    (void)pthread_mutex_unlock(&registering);
    return entry;
}
