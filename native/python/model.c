#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "borders.h"
#include "job.h"

enum { MOST_BORDERS = 1024 }; /* inputs and outputs: a plan has no more tensors */

typedef struct {
    PyObject_HEAD void *memory; /* of the model, from malloc; it is aligned inside */
    strop_model *model;
    strop_needs needs;
    border *borders; /* the inputs, then the outputs */
    Py_ssize_t busy; /* runs without the GIL; counted under it */
} model_object;

static const strop_kernels *find_kernels(const char *name) {
    for (uint32_t i = 0;; i++) {
        const strop_kernels *kernels = strop_kernels_at(i);
        if (!kernels || !strcmp(strop_kernels_name(kernels), name)) return kernels;
    }
}

static int take_borders(model_object *self) {
    const size_t count = self->needs.inputs + self->needs.outputs;
    self->borders = PyMem_Calloc(count, sizeof *self->borders);
    if (!self->borders) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        border *to = &self->borders[i];
        to->of = i < self->needs.inputs ? strop_input(self->model, i)
                                        : strop_output(self->model, i - self->needs.inputs);
        for (uint32_t k = 0; k < to->of->rank; k++) to->dims[k] = (Py_ssize_t)to->of->dims[k];
        to->dtype = numpy_dtype((int)to->of->dtype);
        if (!to->dtype) return -1;
    }
    return 0;
}

/* Check the plan and prepare the model. Return 0, or -1 with an exception set. */
static int prepare(model_object *self, const char *plan, Py_ssize_t bytes, const char *name) {
    const strop_kernels *kernels = name ? find_kernels(name) : strop_best_kernels();
    if (!kernels) {
        PyErr_Format(PyExc_ValueError, "this CPU has no kernels '%s'", name);
        return -1;
    }
    const char *reason = strop_check(plan, (size_t)bytes, &self->needs);
    if (!reason) {
        self->memory = malloc(self->needs.model_bytes + STROP_ALIGNMENT);
        if (!self->memory) {
            PyErr_NoMemory();
            return -1;
        }
        const uintptr_t start = (uintptr_t)self->memory;
        const uintptr_t aligned = (start + STROP_ALIGNMENT - 1) / STROP_ALIGNMENT * STROP_ALIGNMENT;
        reason =
            strop_prepare(plan, (size_t)bytes, kernels, (char *)self->memory + (aligned - start),
                          self->needs.model_bytes, &self->model);
    }
    if (reason) {
        PyErr_Format(PyExc_ValueError, "not a plan that can run: %s", reason);
        return -1;
    }
    return take_borders(self);
}

static PyObject *model_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"plan", "kernels", NULL};
    const char *plan, *kernels = NULL;
    Py_ssize_t bytes;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y#|z", names, &plan, &bytes, &kernels))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    model_object *self = (model_object *)allocate(type, 0); /* all zeros */
    if (self && prepare(self, plan, bytes, kernels)) Py_CLEAR(self);
    return (PyObject *)self;
}

static void model_free(PyObject *object) {
    model_object *self = (model_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->borders)
        for (uint32_t i = 0; i < self->needs.inputs + self->needs.outputs; i++)
            Py_XDECREF(self->borders[i].dtype);
    PyMem_Free(self->borders);
    free(self->memory);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type); /* instances of heap types hold it */
}

PyDoc_STRVAR(
    predict_text,
    "predict($self, samples, /)\n--\n\n"
    "Run a valid array (N, ...) or one sample (...), and return a new array.\n\n"
    "Return None, and run nothing, for anything else: another type, dtype, shape or order\n"
    "in memory, a float that is not finite, or a model of several inputs or outputs. Return\n"
    "None too if an output is NaN.");

static PyObject *model_predict(PyObject *object, PyObject *samples) {
    model_object *self = (model_object *)object;
    if (self->needs.inputs != 1 || self->needs.outputs != 1) Py_RETURN_NONE;
    const border *input = &self->borders[0], *output = &self->borders[1];
    const size_t count = border_samples(input, samples, 1);
    if (!count) Py_RETURN_NONE;
    const void *x = ((const array *)samples)->data;
    if (!border_is_finite(input, x, count)) Py_RETURN_NONE;
    PyObject *result = border_empty(output, count);
    if (!result) return NULL;
    void *y = ((array *)result)->data;
    job of = {self->model, &self->needs, count, &x, &y};
    if (job_run(&of, &self->busy)) {
        Py_DECREF(result);
        return NULL;
    }
    if (!border_has_no_nan(output, ((array *)result)->data, count)) {
        Py_DECREF(result);
        Py_RETURN_NONE;
    }
    return result;
}

/* Find the inputs' values in a tuple of arrays. Return 0, or -1 with a ValueError set. */
static int take_inputs(const model_object *self, PyObject *arrays, job *of) {
    for (uint32_t i = 0; i < self->needs.inputs; i++) {
        PyObject *samples = PyTuple_GetItem(arrays, i);
        const size_t count = border_samples(&self->borders[i], samples, 0);
        if (!count || (i && count != of->samples)) {
            PyErr_Format(
                PyExc_ValueError,
                "input %u is not a C-ordered array (N, ...) of the model's dtype and shape", i);
            return -1;
        }
        of->samples = count;
        of->inputs[i] = ((const array *)samples)->data;
    }
    return 0;
}

/* Make the outputs' arrays: a tuple, or NULL with an exception set. */
static PyObject *make_outputs(const model_object *self, job *of) {
    PyObject *results = PyTuple_New(self->needs.outputs);
    for (uint32_t i = 0; results && i < self->needs.outputs; i++) {
        PyObject *result = border_empty(&self->borders[self->needs.inputs + i], of->samples);
        if (!result) {
            Py_CLEAR(results);
            break;
        }
        of->outputs[i] = ((array *)result)->data;
        PyTuple_SetItem(results, i, result);
    }
    return results;
}

PyDoc_STRVAR(run_text,
             "run($self, samples, /)\n--\n\n"
             "Run a tuple of C-ordered arrays (N, ...), one for each input, and return a tuple.\n\n"
             "Raise ValueError if one has another dtype or shape.");

static PyObject *model_run(PyObject *object, PyObject *arrays) {
    model_object *self = (model_object *)object;
    if (!PyTuple_Check(arrays) || PyTuple_Size(arrays) != (Py_ssize_t)self->needs.inputs) {
        PyErr_Format(PyExc_ValueError, "`run` takes a tuple of %u arrays", self->needs.inputs);
        return NULL;
    }
    const void *inputs[MOST_BORDERS]; /* the stack has room, and pages not touched cost nothing */
    void *outputs[MOST_BORDERS];
    job of = {self->model, &self->needs, 0, inputs, outputs};
    if (take_inputs(self, arrays, &of)) return NULL;
    PyObject *results = make_outputs(self, &of);
    if (results && job_run(&of, &self->busy)) Py_CLEAR(results);
    return results;
}

static PyObject *model_is_busy(PyObject *object, PyObject *nothing) {
    (void)nothing;
    return PyBool_FromLong(((model_object *)object)->busy > 0);
}

static PyObject *describe(const border *borders, uint32_t count) {
    PyObject *all = PyTuple_New(count);
    for (uint32_t i = 0; all && i < count; i++) {
        PyObject *one = border_describe(&borders[i]);
        if (!one || PyTuple_SetItem(all, i, one)) Py_CLEAR(all);
    }
    return all;
}

static PyObject *model_inputs(PyObject *object, void *nothing) {
    (void)nothing;
    const model_object *self = (const model_object *)object;
    return describe(self->borders, self->needs.inputs);
}

static PyObject *model_outputs(PyObject *object, void *nothing) {
    (void)nothing;
    const model_object *self = (const model_object *)object;
    return describe(self->borders + self->needs.inputs, self->needs.outputs);
}

static PyMethodDef methods[] = {
    {"predict", model_predict, METH_O, predict_text},
    {"run", model_run, METH_O, run_text},
    {"is_busy", model_is_busy, METH_NOARGS,
     "is_busy($self, /)\n--\n\nTell whether a run without the GIL is in progress."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"inputs", model_inputs, NULL, "(name, dtype, shape of one sample) of each input.", NULL},
    {"outputs", model_outputs, NULL, "(name, dtype, shape of one sample) of each output.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(model_text,
             "Model(plan, kernels=None)\n--\n\n"
             "A plan, checked and prepared. Any number of threads may run it.\n\n"
             "`kernels` is one of strop_native.kernels(); None is the fastest.\n"
             "Raise ValueError if the plan is not valid, or this CPU has no such kernels.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)model_text},     {Py_tp_new, (void *)model_new},
    {Py_tp_dealloc, (void *)model_free}, {Py_tp_methods, methods},
    {Py_tp_getset, properties},          {0, NULL},
};

PyType_Spec model_spec = {
    .name = "strop_native.Model",
    .basicsize = sizeof(model_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
