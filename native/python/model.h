/* strop_native.Model: a prepared plan. */
#ifndef STROP_PYTHON_MODEL_H
#define STROP_PYTHON_MODEL_H

#include <Python.h>

/* The type, for a module to add. */
extern PyType_Spec model_spec;

#endif
