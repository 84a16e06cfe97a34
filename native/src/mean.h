/* Means along axes that follow each other. They run in plain C on every CPU. */
#ifndef STROP_MEAN_H
#define STROP_MEAN_H

#include "operands.h"
#include "rounding.h"

enum { MEAN_BLOCK = 64 }; /* sums that are taken together */

/* A mean of x [outer][count][inner] along its middle axis, for one sample. */
typedef struct {
    uint32_t outer, count, inner;
    int is_float;
    /* Of int8: */
    int32_t x_zero_point, y_zero_point;
    fixed_point factor; /* rounding `reference`: of a sum less the zero points */
    int rounds_float;   /* rounding `float`: sum * scale + offset */
    float scale, offset;
} mean;

/* Check the axes, types and scales of a step. */
const char *check_mean(const plan_file *plan, const plan_step *step, const operands *of);

/* Prepare a step. */
void mean_prepare(const plan_file *plan, const plan_step *step, const operands *of, mean *to);

/* Run a step for some samples. */
void mean_run(const mean *how, size_t rows, const void *x, void *y);

#endif
