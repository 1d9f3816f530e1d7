/* Arrays in NumPy's .npy files: versions 1.0 to 3.0 are read, 1.0 is written with the data at a
 * multiple of 64 bytes. Types are f4, f8, i8, i4 and u1, little-endian. Arrays in Fortran order are
 * turned into C order as they are read; arrays of Python objects are refused. (Format: NEP 1,
 * numpy.org/neps/nep-0001-npy-format.html.) */
#ifndef CONTINUO_BASE_NPY_H
#define CONTINUO_BASE_NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { NPY_RANK_MAX = 8 };
enum npy_type { NPY_F4, NPY_F8, NPY_I8, NPY_I4, NPY_U1 };
extern const char *const npy_type_names[]; /* "f4", "f8", "i8", "i4", "u1", NULL */

struct npy {
    enum npy_type type;
    int rank; /* 0: a scalar */
    ptrdiff_t shape[NPY_RANK_MAX];
    ptrdiff_t len; /* elements; set by npy_read */
    void *data;    /* C order; the caller owns what npy_read gives: free it with npy_release */
};

size_t npy_element_size(enum npy_type type); /* bytes */

/* Writes type, rank, shape and data (len is not looked at), whole or not at all. False with *error
 * set when the file cannot be written. */
bool npy_write(const char *path, const struct npy *array, struct error *error);

/* Fills *array. False with *error set, nothing to release, when the file is missing, truncated,
 * foreign, or of a type that is not read. */
bool npy_read(const char *path, struct npy *array, struct error *error);
void npy_release(struct npy *array);

#endif
