/* Sums, differences and products of float32 arrays. */
#ifndef STROP_ELEMENTWISE_H
#define STROP_ELEMENTWISE_H

#include "../kernels.h"

/* One value for all rows is a case of its own, in which the rows are the loop to vectorize. */
#define ELEMENTWISE(name, operator)                                                             \
    static void name(size_t rows, size_t width, const float *x, const float *other, float *y) { \
        if (width == 1) {                                                                       \
            const float value = other[0];                                                       \
            for (size_t i = 0; i < rows; i++) y[i] = x[i] operator value;                       \
            return;                                                                             \
        }                                                                                       \
        for (size_t row = 0; row < rows; row++, x += width, y += width)                         \
            for (size_t i = 0; i < width; i++) y[i] = x[i] operator other[i];                   \
    }

ELEMENTWISE(add, +)
ELEMENTWISE(sub, -)
ELEMENTWISE(mul, *)

#undef ELEMENTWISE

#endif
