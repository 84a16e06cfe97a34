/* Products, sums and differences of float32. */
#include "exact.h"

#include "kernels.h"

#define PAIRWISE(name, operator)                                                       \
    void name(int32_t rows, int32_t width, const float *x, const float *w, float *y) { \
        for (; rows > 0; rows--)                                                       \
            for (int32_t i = 0; i < width; i++) *y++ = *x++ operator w[i];             \
    }

PAIRWISE(strop_mul_float, *)
PAIRWISE(strop_add_float, +)
PAIRWISE(strop_sub_float, -)
