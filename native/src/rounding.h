/* Numbers that follow from scales: computed when a plan is checked and prepared, never in a run. */
#ifndef STROP_ROUNDING_H
#define STROP_ROUNDING_H

#include "plan.h"

/* The factor of a layer's accumulators: multiplier * 2^-(31 + shift). */
typedef struct {
    int32_t multiplier;
    int32_t shift; /* to the right: 0..31 in a sound plan */
} fixed_point;

/* Compute the factor for rounding `float`: XNNPACK's, each operation rounded to float32. */
float float_factor(const plan_tensor *x, const plan_tensor *weights, uint32_t output,
                   float scale_out);

/* Write a factor from 0 to 1 as a fixed point, as TensorFlow Lite does. */
fixed_point fixed_point_of(double factor);

/* Compute the factor for rounding `reference`: TensorFlow Lite's. */
fixed_point reference_factor(const plan_tensor *x, const plan_tensor *weights, uint32_t output,
                             float scale_out);

/* Compute the range of an int8 tensor as stored (0..255) after an activation. */
void activation_range(uint32_t rounding, uint32_t activation, const plan_tensor *tensor,
                      int32_t *low, int32_t *high);

/* Give the range of a float32 tensor after an activation: infinite for none. */
void float_range(uint32_t activation, float *low, float *high);

/* Tell whether the factor of each output is above 0 and below 1, as the format wants. */
int factors_are_sound(const plan_file *plan, const plan_tensor *x, const plan_tensor *weights,
                      float scale_out);

#endif
