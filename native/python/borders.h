/* The inputs and outputs of a model, as arrays. */
#ifndef STROP_BORDERS_H
#define STROP_BORDERS_H

#include <strop.h>

#include "numpy_abi.h"

enum { ARRAY_MAX_RANK = STROP_MAX_RANK + 1 }; /* with the batch */

/* An input or output, as arrays hold it. */
typedef struct {
    const strop_border *of;
    PyObject *dtype;
    Py_ssize_t dims[STROP_MAX_RANK];
} border;

/* Return an array's samples, 1 or more, or 0: it has another dtype, shape or order in memory.
 *
 * One sample may come without the batch axis if `alone`. */
size_t border_samples(const border *of, PyObject *object, int alone);

/* Return a new array for a batch, or NULL with an exception set. */
PyObject *border_empty(const border *of, size_t samples);

/* Describe it: (name, dtype, shape of one sample), a new reference. */
PyObject *border_describe(const border *of);

/* Tell whether float values are as they should be: finite, or not NaN. Others always are. */
int border_is_finite(const border *of, const void *values, size_t samples);
int border_has_no_nan(const border *of, const void *values, size_t samples);

#endif
