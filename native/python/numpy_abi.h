/* The part of NumPy's C interface that the extension uses.
 *
 * NumPy's own headers hold the sizes of the machine that compiles, and this is compiled for others.
 * The table of functions and the layout of an array are NumPy's ABI: the same in 1.x and 2.x
 * (numpy/_core/code_generators/numpy_api.py lists the places in the table). */
#ifndef STROP_NUMPY_ABI_H
#define STROP_NUMPY_ABI_H

#include <Python.h>

enum { ARRAY_IS_C_CONTIGUOUS = 0x0001, ARRAY_IS_ALIGNED = 0x0100 };

/* The start of every array. */
typedef struct {
    PyObject_HEAD char *data;
    int rank;
    Py_ssize_t *dims;
    Py_ssize_t *strides;
    PyObject *base;
    PyObject *dtype;
    int flags;
} array;

/* Find NumPy's table. Return 0, or -1 with an ImportError set. */
int numpy_find(void);

/* Tell whether an object is an array, and not of a subclass. */
int numpy_is_array(PyObject *object);

/* Return the one dtype object that arrays of a strop_dtype have: a new reference. */
PyObject *numpy_dtype(int dtype);

/* Return a new C-ordered array, with no values yet, or NULL with an exception set. */
PyObject *numpy_empty(PyObject *dtype, int rank, const Py_ssize_t *dims);

#endif
