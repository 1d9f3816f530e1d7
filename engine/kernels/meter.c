#include "kernels/meter.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const meter_names[METER_KERNELS] = {
#define METER(result, name, parameters, arguments, flops, bytes) [METER_##name] = #name,
#include "kernels/meter.def"
#undef METER
};

struct tally {
    int64_t calls, nanoseconds;
    double flops, bytes;
};

struct seat { /* of one thread */
    _Alignas(64) struct tally tallies[METER_KERNELS];
};

static struct {
    atomic_bool busy;
    const struct kernels *real;
    struct kernels table;
    int threads;
    atomic_int taken; /* seats */
    struct seat *seats;
    uint64_t number;        /* of the meter: a thread's seat is good for one */
    double inside, outside; /* seconds measuring adds to a call: within its time, around it */
} meter;

static _Thread_local struct {
    uint64_t number;
    struct seat *seat;
} own;

static struct seat *own_seat(void) {
    if (own.number != meter.number) {
        const int taken = atomic_fetch_add(&meter.taken, 1);
        assert(taken < meter.threads && "more threads than the meter was told");
        own.number = meter.number;
        own.seat = &meter.seats[taken];
    }
    return own.seat;
}

static int64_t now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- work of a call, for meter.def ---- */

static ptrdiff_t padded(ptrdiff_t channels) {
    return (channels + BLOCK - 1) / BLOCK * BLOCK;
}
static double framed(struct extent e, int pad) {
    return (double)(e.blocks * (e.height + 2 * pad) * (e.width + 2 * pad) * BLOCK);
}
static double reals(struct extent e) {
    return framed(e, 0);
}
static double reading(const struct transform *t) { /* flops a real */
    return (t->act != ACT_NONE) + (t->scale ? 2.0 : 0.0);
}
static double undoing(const struct transform *t) {
    return 1.0 + (t->act != ACT_NONE) + (t->scale ? 6.0 : 0.0);
}
static double combine_flops(struct extent e, int count, const struct term *terms) {
    double flops = 0.0;
    for (int i = 0; i < count; i++) {
        flops += 2.0 + reading(&terms[i].transform);
    }
    return flops * reals(e);
}
/* The gradient by the input of a convolution with a stride is a convolution over a dilated frame,
 * most of whose products are with zeros: they are no work of the direct sum. */
static double conv_flops(const struct convolution *c) {
    return 2.0 * (double)(c->kernel * c->kernel * c->in_channels * c->out_channels) *
           (double)(c->pixels ? c->pixels : c->height * c->width);
}
static double conv_reals(const struct convolution *c) {
    return (double)(padded(c->in_channels) * c->frame_height * c->frame_width +
                    padded(c->out_channels) * c->height * c->width);
}
static double conv_weights(const struct convolution *c) {
    return (double)(c->kernel * c->kernel * padded(c->in_channels) * padded(c->out_channels));
}
/* Of all weights of a field, and of the values of a row. */
static double field_products(const struct field *f) {
    double flops = 0.0;
    for (int n = 0; n < f->count; n++) {
        flops += 2.0 * (double)(f->layers[n].in * f->layers[n].out);
    }
    return flops;
}
static double field_values(const struct field *f) {
    double values = f->first != ACT_NONE ? (double)f->in : 0.0;
    for (int n = 0; n < f->count; n++) {
        values += (double)f->layers[n].out;
    }
    return values;
}
static double dense_reals(ptrdiff_t rows, ptrdiff_t in, ptrdiff_t out) {
    return (double)(rows * (padded(in) + padded(out)) + padded(in) * padded(out));
}

/* ---- measured calls ---- */

struct span {
    struct tally *tally;
    int64_t start;
};

static struct span begin_span(enum meter_kernel kernel, double flops, double bytes) {
    struct tally *tally = &own_seat()->tallies[kernel];
    tally->calls++;
    tally->flops += flops;
    tally->bytes += bytes;
    return (struct span){tally, now()};
}
static void end_span(const struct span *span) {
    span->tally->nanoseconds += now() - span->start;
}

#define METER(result, name, parameters, arguments, flops, bytes)                                   \
    static result metered_##name parameters {                                                      \
        const struct kernels *const k = meter.real;                                                \
        const double R = (double)k->real_size;                                                     \
        (void)R;                                                                                   \
        const struct span span __attribute__((cleanup(end_span))) =                                \
            begin_span(METER_##name, flops, bytes);                                                \
        return k->name arguments;                                                                  \
    }
#include "kernels/meter.def"
#undef METER

/* Entries that are not worth measuring or that measure themselves. */
enum { UNMETERED = 5 }; /* winograd_len, winograd_samples, winograd_scratch, field_plan, peak */
_Static_assert(sizeof(struct kernels) == offsetof(struct kernels, value) +
                                             (METER_KERNELS + UNMETERED) * sizeof(void (*)(void)),
               "an entry of struct kernels is missing in meter.def (or in UNMETERED)");

static struct kernels metered_table(const struct kernels *real) {
    struct kernels table = *real;
#define METER(result, name, parameters, arguments, flops, bytes) table.name = metered_##name;
#include "kernels/meter.def"
#undef METER
    return table;
}

/* ---- the meter ---- */

static void measure_cost(void) {
    enum { CALLS = 2000, ROUNDS = 12 };
    meter.inside = meter.outside = 1.0;
    for (int round = 0; round < ROUNDS; round++) { /* the least: the machine only disturbs */
        meter_clear();
        int64_t start = now();
        for (int i = 0; i < CALLS; i++) {
            meter.table.set(NULL, 0.0, 0);
        }
        const double metered = 1e-9 * (double)(now() - start) / CALLS;
        const double timed = 1e-9 * (double)own_seat()->tallies[METER_set].nanoseconds / CALLS;
        start = now();
        for (int i = 0; i < CALLS; i++) {
            meter.real->set(NULL, 0.0, 0);
        }
        const double bare = 1e-9 * (double)(now() - start) / CALLS;
        const double cost = metered > bare ? metered - bare : 0.0;
        if (cost < meter.inside + meter.outside) {
            meter.inside = timed > bare ? timed - bare : 0.0;
            meter.inside = meter.inside < cost ? meter.inside : cost;
            meter.outside = cost - meter.inside;
        }
    }
}

const struct kernels *meter_begin(const struct kernels *real, int threads, struct error *error) {
    assert(threads >= 1);
    if (atomic_exchange(&meter.busy, true)) {
        (void)error_set(error, ERROR_STATE,
                        "kernels are measured already by somebody else in this process; only one "
                        "at a time can do so, try again when that is done");
        return NULL;
    }
    meter.seats = aligned_alloc(64, (size_t)threads * sizeof *meter.seats);
    if (!meter.seats) {
        atomic_store(&meter.busy, false);
        (void)error_set(error, ERROR_MEMORY, "no memory to measure kernels on %d threads", threads);
        return NULL;
    }
    meter.real = real;
    meter.table = metered_table(real);
    meter.threads = threads;
    meter.number++;
    atomic_store(&meter.taken, 0);
    measure_cost();
    meter_clear();
    return &meter.table;
}

void meter_end(void) {
    assert(atomic_load(&meter.busy));
    free(meter.seats);
    meter.seats = NULL;
    atomic_store(&meter.busy, false);
}

void meter_clear(void) {
    memset(meter.seats, 0, (size_t)meter.threads * sizeof *meter.seats);
}

void meter_read(struct meter_count *counts) {
    memset(counts, 0, METER_KERNELS * sizeof *counts);
    for (int s = 0; s < meter.threads; s++) {
        for (int i = 0; i < METER_KERNELS; i++) {
            const struct tally *tally = &meter.seats[s].tallies[i];
            counts[i].calls += (double)tally->calls;
            counts[i].seconds += 1e-9 * (double)tally->nanoseconds;
            counts[i].flops += tally->flops;
            counts[i].bytes += tally->bytes;
        }
    }
    for (int i = 0; i < METER_KERNELS; i++) {
        const double seconds = counts[i].seconds - counts[i].calls * meter.inside;
        counts[i].seconds = seconds > 0.0 ? seconds : 0.0;
    }
}

double meter_cost(void) {
    int64_t most = 0;
    for (int s = 0; s < meter.threads; s++) {
        int64_t calls = 0;
        for (int i = 0; i < METER_KERNELS; i++) {
            calls += meter.seats[s].tallies[i].calls;
        }
        most = calls > most ? calls : most;
    }
    return (double)most * (meter.inside + meter.outside);
}
