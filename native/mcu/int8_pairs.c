/* Products, sums and differences of int8. */
#include "int8_requantize.h"

/* Bits below the point of a sum: TensorFlow Lite's. */
static int32_t scaled(const strop_factor *factor, int32_t steps) {
    return multiply_reference(steps * (INT32_C(1) << 20), factor->multiplier, factor->shift);
}

/* The result for x and w at i. */
#define PAIRWISE(name, result)                                                      \
    void name(const strop_pair *pair, int32_t rows, int32_t width, const int8_t *x, \
              const int8_t *w, int8_t *y) {                                         \
        for (; rows > 0; rows--)                                                    \
            for (int32_t i = 0; i < width; i++) {                                   \
                const int32_t x_steps = (int32_t)*x++ - pair->x_zero_point;         \
                const int32_t w_steps = (int32_t)w[i] - pair->w_zero_point;         \
                *y++ = requantized(&pair->requantize, 0, result);                   \
            }                                                                       \
    }

PAIRWISE(strop_mul_int8, x_steps *w_steps)
PAIRWISE(strop_add_int8, scaled(&pair->x, x_steps) + scaled(&pair->w, w_steps))
PAIRWISE(strop_sub_int8, scaled(&pair->x, x_steps) - scaled(&pair->w, w_steps))
