/* Runs in memory that is exactly as large as the engine said, and their results. */
#ifndef STROP_TEST_RUNS_H
#define STROP_TEST_RUNS_H

#include <math.h>
#include <string.h>

#include "files.h"
#include "plan.h"
#include "random.h"

enum { MOST_BORDERS = 128 }; /* inputs or outputs of a plan that is run */

typedef struct {
    uint8_t *outputs[MOST_BORDERS];
} results;

static inline strop_model *prepare(const uint8_t *plan, size_t plan_bytes,
                                   const strop_kernels *kernels, const strop_needs *needs) {
    strop_model *model;
    const char *reason = strop_prepare(plan, plan_bytes, kernels, take(needs->model_bytes),
                                       needs->model_bytes, &model);
    if (reason) {
        printf("prepare failed: %s\n", reason);
        exit(1);
    }
    return model;
}

/* Take memory for the values of an input or output: aligned as the engine asks for, not more. */
static inline uint8_t *take_values(const strop_border *border, size_t rows) {
    const size_t offset = plan_value_bytes(border->dtype);
    uint8_t *memory = malloc(border->row_bytes * rows + offset);
    return memory + offset;
}

static inline void free_values(const strop_border *border, void *values) {
    free((uint8_t *)values - plan_value_bytes(border->dtype));
}

/* Make an input: bytes of any value, or floats that are often edges; half of them mostly zeros. */
static inline void *random_input(const strop_border *border, size_t rows) {
    const size_t bytes = border->row_bytes * rows;
    uint8_t *input = take_values(border, rows);
    const int sparse = next_random() & 1;
    for (size_t i = 0; i < bytes; i++)
        input[i] = sparse && next_random() % 8 ? 0 : (uint8_t)next_random();
    if (border->dtype != STROP_FLOAT32) return input;
    for (size_t i = 0; i < bytes; i += 4) {
        const float value = sparse ? random_float(-3.0f, 3.0f) : random_edge();
        memcpy(input + i, &value, sizeof value);
    }
    return input;
}

/* Run over scratch and outputs that hold `fill`, which no result may depend on. */
static inline void run(const strop_model *model, const strop_needs *needs, size_t rows,
                       const void *const *inputs, size_t tile_rows, int fill, results *to) {
    const size_t scratch_bytes = needs->run_bytes + needs->row_bytes * tile_rows;
    uint8_t *scratch = malloc(scratch_bytes + 4); /* aligned to 4 bytes, not more */
    memset(scratch + 4, fill, scratch_bytes);
    void *outputs[MOST_BORDERS];
    for (uint32_t i = 0; i < needs->outputs; i++) {
        const strop_border *output = strop_output(model, i);
        outputs[i] = to->outputs[i] = take_values(output, rows);
        memset(outputs[i], fill, output->row_bytes * rows);
    }
    const char *reason = strop_run(model, rows, inputs, outputs, scratch + 4, scratch_bytes);
    free(scratch);
    if (reason) {
        printf("run failed: %s\n", reason);
        exit(1);
    }
}

/* Count the differences. Any NaN is equal to any other. */
static inline size_t differences(const strop_border *border, const uint8_t *a, const uint8_t *b,
                                 size_t rows) {
    size_t count = 0;
    const size_t values = border->row_bytes * rows / plan_value_bytes(border->dtype);
    for (size_t i = 0; i < values; i++) {
        if (border->dtype == STROP_FLOAT32) {
            const float x = plan_float_at(a, i), y = plan_float_at(b, i);
            count += memcmp(&x, &y, sizeof x) != 0 && !(isnan(x) && isnan(y));
        } else {
            count += a[i] != b[i];
        }
    }
    return count;
}

static inline void release(const strop_needs *needs, strop_model *model, results *of) {
    for (uint32_t i = 0; i < needs->outputs; i++)
        free_values(strop_output(model, i), of->outputs[i]);
    free(model); /* the model is where its memory begins */
}

#endif
