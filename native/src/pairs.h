/* Products, sums and differences of int8. They run in plain C on every CPU. */
#ifndef STROP_PAIRS_H
#define STROP_PAIRS_H

#include "kernels.h"
#include "rounding.h"

enum { PAIR_BLOCK = 64 }; /* values whose accumulators are together */

/* What a pair of values x and w (as stored) becomes. */
typedef struct {
    int32_t x_zero_point, w_zero_point; /* as stored: 0..255 */
    int is_product;
    /* A sum in rounding `float`: x_factor x + w_factor w, shifted to the right. */
    int32_t x_factor, w_factor, shift;
    /* A sum in rounding `reference`: x and w times these, added or subtracted. */
    fixed_point x_scale, w_scale;
    int is_difference;
    requantization requantize; /* its arrays have PAIR_BLOCK equal values */
} int8_pair;

/* Tell whether the scales of a mul, add or sub are within the limits of the format. */
int pair_is_sound(const plan_step *step, const plan_tensor *x, const plan_tensor *w,
                  const plan_tensor *y);

/* Prepare a step. `factors` has room for 2 * PAIR_BLOCK numbers of 4 bytes. */
void pair_prepare(const plan_file *plan, const plan_step *step, void *factors, int8_pair *pair);

/* Run a step: x [count], w [count] -> y [count], which may be x. */
void pair_run(const int8_pair *pair, size_t count, const uint8_t *x, const uint8_t *w, uint8_t *y);

#endif
