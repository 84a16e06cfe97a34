#include "numpy_abi.h"

#include <string.h>
#include <strop.h>

/* Places in the table. */
enum { ABI_VERSION = 0, ARRAY_TYPE = 2, DTYPE_FROM_NUMBER = 45, NEW_FROM_DTYPE = 94 };

/* NumPy's numbers of dtypes: NPY_FLOAT, NPY_BYTE, NPY_UBYTE, NPY_INT. */
static const int dtype_numbers[] = {
    [STROP_FLOAT32] = 11, [STROP_INT8] = 1, [STROP_UINT8] = 2, [STROP_INT32] = 5};

/* It is the same for all interpreters of a process: NumPy is loaded once. */
static void **table;

static void **find_table(void) {
    /* NumPy 2 has moved it. The old name still works there, with a warning. */
    PyObject *module = PyImport_ImportModule("numpy._core._multiarray_umath");
    if (!module && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
        PyErr_Clear();
        module = PyImport_ImportModule("numpy.core._multiarray_umath");
    }
    if (!module) return NULL;
    PyObject *capsule = PyObject_GetAttrString(module, "_ARRAY_API");
    Py_DECREF(module);
    if (!capsule) return NULL;
    void **found = PyCapsule_GetPointer(capsule, NULL);
    Py_DECREF(capsule);
    return found;
}

int numpy_find(void) {
    void **found = find_table();
    if (!found) return -1;
    unsigned (*version)(void);
    memcpy(&version, &found[ABI_VERSION], sizeof version);
    const unsigned major = version() >> 24; /* 0x01000009 is NumPy 1's, 0x02000000 NumPy 2's */
    if (major != 1 && major != 2) {
        PyErr_Format(
            PyExc_ImportError,
            "strop_native knows NumPy 1 and 2; this NumPy has the C interface of version %u",
            major);
        return -1;
    }
    table = found;
    return 0;
}

int numpy_is_array(PyObject *object) {
    return Py_TYPE(object) == (PyTypeObject *)table[ARRAY_TYPE];
}

PyObject *numpy_dtype(int dtype) {
    PyObject *(*from_number)(int);
    memcpy(&from_number, &table[DTYPE_FROM_NUMBER], sizeof from_number);
    return from_number(dtype_numbers[dtype]);
}

PyObject *numpy_empty(PyObject *dtype, int rank, const Py_ssize_t *dims) {
    PyObject *(*make)(PyTypeObject *, PyObject *, int, const Py_ssize_t *, const Py_ssize_t *,
                      void *, int, PyObject *);
    memcpy(&make, &table[NEW_FROM_DTYPE], sizeof make);
    Py_INCREF(dtype); /* it takes a reference over */
    return make(table[ARRAY_TYPE], dtype, rank, dims, NULL, NULL, 0, NULL);
}
