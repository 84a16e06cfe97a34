/* Means along axes that follow each other. They run in plain C on every CPU. */
#ifndef STROP_MEAN_H
#define STROP_MEAN_H

#include "kernels.h"
#include "operands.h"

enum { MEAN_BLOCK = 64 }; /* sums that are taken together */

/* A mean of x [outer][count][inner] along its middle axis, for one sample. */
typedef struct {
    uint32_t outer, count, inner;
    int is_float;
    int32_t zero_point;        /* of x, as stored */
    requantization requantize; /* of the sums of int8: its arrays have MEAN_BLOCK equal values */
} mean;

/* Check the axes, types and scales of a step. */
const char *check_mean(const plan_file *plan, const plan_step *step, const operands *of);

/* Prepare a step. `factors` has room for 2 * MEAN_BLOCK numbers of 4 bytes. */
void mean_prepare(const plan_file *plan, const plan_step *step, const operands *of, void *factors,
                  mean *to);

/* Run a step for some samples. */
void mean_run(const mean *how, size_t rows, const void *x, void *y);

#endif
