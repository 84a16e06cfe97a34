/* Activations in float32. */
#ifndef STROP_ACTIVATIONS_H
#define STROP_ACTIVATIONS_H

#include <stddef.h>

#include "bits.h"
#include "exponential.h"

/* Clang turns a loop of comparisons alone into 32-bit NEON, which takes denormal numbers for 0. */
#if defined(__clang__) && defined(__arm__)
#define FOR_SCALAR(...) _Pragma("clang loop vectorize(disable)") for (__VA_ARGS__)
#else
#define FOR_SCALAR(...) for (__VA_ARGS__)
#endif

static void clamp(float low, float high, size_t count, const float *x, float *y) {
    FOR_SCALAR(size_t i = 0; i < count; i++) {
        float value = x[i];
        value = value < low ? low : value;
        y[i] = value > high ? high : value;
    }
}

static void sigmoid(size_t count, const float *x, float *y) {
    for (size_t i = 0; i < count; i++) y[i] = 1.0f / (1.0f + exponential(-x[i]));
}

/* Near 0 a polynomial (Cephes' tanhf), as the formula by exp would cancel there. */
static void hyperbolic_tangent(size_t count, const float *x, float *y) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t sign = bits_of(x[i]) & 0x80000000u;
        const float size = float_of(bits_of(x[i]) & 0x7FFFFFFFu);
        const float square = size * size;
        float near = -5.70498872745e-3f;
        near = near * square + 2.06390887954e-2f;
        near = near * square - 5.37397155531e-2f;
        near = near * square + 1.33314422036e-1f;
        near = near * square - 3.33332819422e-1f;
        near = near * square * size + size;
        const float far = 1.0f - 2.0f / (exponential(size + size) + 1.0f);
        y[i] = float_of(bits_of(size < 0.625f ? near : far) | sign);
    }
}

static void softmax(float beta, size_t rows, size_t width, const float *x, float *y) {
    for (size_t row = 0; row < rows; row++) {
        const float *from = x + row * width;
        float *to = y + row * width;
        float highest = from[0] * beta;
        for (size_t i = 1; i < width; i++)
            highest = from[i] * beta > highest ? from[i] * beta : highest;
        for (size_t i = 0; i < width; i++) to[i] = from[i] * beta - highest;
    }
    /* Over all rows, as short rows leave vectors half empty. */
    for (size_t i = 0; i < rows * width; i++) y[i] = exponential(y[i]);
    for (size_t row = 0; row < rows; row++, y += width) {
        float sum = 0.0f;
        for (size_t i = 0; i < width; i++) sum += y[i]; /* in this order, on every CPU */
        for (size_t i = 0; i < width; i++) y[i] = y[i] / sum;
    }
}

#endif
