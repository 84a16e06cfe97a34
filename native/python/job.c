#include "job.h"

#include <stdlib.h>
#include <time.h>

enum {
    STACK_BYTES = 16384, /* of scratch; more comes from the heap */
    ROWS_WITH_GIL = 8,   /* a run of more rows, or more work, releases the GIL */
    WORK_WITH_GIL = 1 << 20,
    SIGNALS_MS = 50, /* a run of more lets handlers of signals in as often as this */
};

static int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Run the next rows. There is scratch for them, so that the run has no reason to fail. */
static void run_rows(job *of, size_t rows, void *scratch, size_t bytes) {
    strop_run(of->model, rows, of->inputs, of->outputs, scratch, bytes);
    for (uint32_t i = 0; i < of->needs->inputs; i++)
        of->inputs[i] = (const char *)of->inputs[i] + rows * strop_input(of->model, i)->row_bytes;
    for (uint32_t i = 0; i < of->needs->outputs; i++)
        of->outputs[i] = (char *)of->outputs[i] + rows * strop_output(of->model, i)->row_bytes;
    of->samples -= rows;
}

/* Run without the GIL, which it takes back for a moment if the batch takes long. */
static int run_unlocked(job *of, void *scratch, size_t bytes) {
    const size_t tile = strop_tile_rows(of->needs);
    int failed = 0;
    PyThreadState *thread = PyEval_SaveThread();
    int64_t start = milliseconds();
    while (of->samples && !failed) {
        run_rows(of, of->samples < tile ? of->samples : tile, scratch, bytes);
        if (milliseconds() - start < SIGNALS_MS) continue;
        PyEval_RestoreThread(thread);
        failed = PyErr_CheckSignals();
        thread = PyEval_SaveThread();
        start = milliseconds();
    }
    PyEval_RestoreThread(thread);
    return failed;
}

static int run_in(job *of, Py_ssize_t *busy, void *scratch, size_t bytes) {
    if (of->samples <= ROWS_WITH_GIL && of->needs->work * of->samples <= WORK_WITH_GIL) {
        run_rows(of, of->samples, scratch, bytes);
        return 0;
    }
    ++*busy;
    const int failed = run_unlocked(of, scratch, bytes);
    --*busy;
    return failed;
}

int job_run(job *of, Py_ssize_t *busy) {
    const size_t tile = strop_tile_rows(of->needs);
    const size_t rows = of->samples < tile ? of->samples : tile;
    const size_t bytes = of->needs->run_bytes + of->needs->row_bytes * rows;
    if (bytes <= STACK_BYTES) {
        float scratch[STACK_BYTES / sizeof(float)]; /* stack that is not touched is free */
        return run_in(of, busy, scratch, bytes);
    }
    void *scratch = malloc(bytes);
    if (!scratch) {
        PyErr_NoMemory();
        return -1;
    }
    const int failed = run_in(of, busy, scratch, bytes);
    free(scratch);
    return failed;
}
