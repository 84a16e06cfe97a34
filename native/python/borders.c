#include "borders.h"

#include <string.h>

size_t border_samples(const border *of, PyObject *object, int alone) {
    enum { AS_C_HAS_IT = ARRAY_IS_C_CONTIGUOUS | ARRAY_IS_ALIGNED };
    if (!numpy_is_array(object)) return 0;
    const array *x = (const array *)object;
    /* The dtype of arrays in the machine's byte order is one object. */
    if (x->dtype != of->dtype || (x->flags & AS_C_HAS_IT) != AS_C_HAS_IT) return 0;
    const int rank = (int)of->of->rank;
    const int batched = x->rank == rank + 1;
    if (!batched && !(alone && x->rank == rank)) return 0;
    for (int i = 0; i < rank; i++)
        if (x->dims[i + batched] != of->dims[i]) return 0;
    return batched ? (size_t)x->dims[0] : 1;
}

PyObject *border_empty(const border *of, size_t samples) {
    Py_ssize_t dims[ARRAY_MAX_RANK];
    dims[0] = (Py_ssize_t)samples;
    memcpy(dims + 1, of->dims, sizeof of->dims);
    return numpy_empty(of->dtype, (int)of->of->rank + 1, dims);
}

PyObject *border_describe(const border *of) {
    PyObject *shape = PyTuple_New(of->of->rank);
    if (!shape) return NULL;
    for (uint32_t i = 0; i < of->of->rank; i++) {
        PyObject *size = PyLong_FromSsize_t(of->dims[i]);
        if (!size || PyTuple_SetItem(shape, i, size)) {
            Py_DECREF(shape);
            return NULL;
        }
    }
    PyObject *name = PyUnicode_DecodeUTF8(of->of->name, of->of->name_bytes, NULL);
    if (!name) {
        Py_DECREF(shape);
        return NULL;
    }
    return Py_BuildValue("(NON)", name, of->dtype, shape);
}

/* The exponent of infinity and NaN is all ones. The loops have no branch, so that compilers use
 * vectors. */
static const uint32_t NO_SIGN = 0x7FFFFFFF, INFINITE = 0x7F800000;

int border_is_finite(const border *of, const void *values, size_t samples) {
    if (of->of->dtype != STROP_FLOAT32) return 1;
    const uint32_t *bits = values;
    const size_t count = samples * of->of->row_bytes / sizeof *bits;
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) found |= (bits[i] & NO_SIGN) >= INFINITE;
    return !found;
}

int border_has_no_nan(const border *of, const void *values, size_t samples) {
    if (of->of->dtype != STROP_FLOAT32) return 1;
    const uint32_t *bits = values;
    const size_t count = samples * of->of->row_bytes / sizeof *bits;
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) found |= (bits[i] & NO_SIGN) > INFINITE;
    return !found;
}
