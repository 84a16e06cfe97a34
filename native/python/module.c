/* strop_native: the C core for Python, by the stable ABI of 3.11. */
#include <Python.h>
#include <strop.h>

#include "model.h"
#include "numpy_abi.h"

static PyObject *kernels(PyObject *module, PyObject *nothing) {
    (void)module, (void)nothing;
    PyObject *names = PyList_New(0);
    for (uint32_t i = 0; names && strop_kernels_at(i); i++) {
        PyObject *name = PyUnicode_FromString(strop_kernels_name(strop_kernels_at(i)));
        if (!name || PyList_Append(names, name)) Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyMethodDef functions[] = {
    {"kernels", kernels, METH_NOARGS,
     "kernels()\n--\n\nList the names of the kernels that this CPU runs, the fastest first."},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module) {
    if (numpy_find()) return -1;
    PyObject *type = PyType_FromModuleAndSpec(module, &model_spec, NULL);
    if (!type) return -1;
    const int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "strop_native._core",
                                 .m_methods = functions, .m_slots = slots};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
