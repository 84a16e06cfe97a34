/* One run of a model, by Python's rules: its lock, its signals and its errors. */
#ifndef STROP_PYTHON_JOB_H
#define STROP_PYTHON_JOB_H

#include <Python.h>
#include <strop.h>

/* A run: where the values of its arrays are. Running moves on what it holds. */
typedef struct {
    const strop_model *model;
    const strop_needs *needs;
    size_t samples;
    const void **inputs;
    void **outputs;
} job;

/* Run. Return 0, or -1 with an exception set: MemoryError, or a signal handler's.
 *
 * The caller holds references to all arrays. `busy` counts, under Python's lock, the runs that have
 * let go of it. */
int job_run(job *of, Py_ssize_t *busy);

#endif
