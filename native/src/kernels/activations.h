/* Activations in float32. They use an exp of our own, so that they give the same bits everywhere. */
#ifndef STROP_ACTIVATIONS_H
#define STROP_ACTIVATIONS_H

#include "../kernels.h"
#include "bits.h"

/* e to the power of x, within 1 ulp: 2^n times a polynomial of the rest (Cephes' expf). Infinite
 * above 88 and 0 below -87, so that no result is denormal. */
static inline float exponential(float x) {
    float bounded = x < -87.0f ? -87.0f : x;
    bounded = bounded > 88.0f ? 88.0f : bounded;
    const float shifted = bounded * 1.44269504088896341f + ROUNDER;
    const float n = shifted - ROUNDER;
    /* ln 2 in two parts: n times the first is exact. */
    const float rest = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = (sum * (rest * rest) + rest) + 1.0f;
    /* Unsigned, as the n of a NaN is any number. */
    const uint32_t power = bits_of(shifted) - bits_of(ROUNDER);
    const float result = sum * float_of((power + 127u) << 23);
    return x < -87.0f ? 0.0f : x > 88.0f ? float_of(0x7F800000u) : result;
}

/* Clang turns a loop of comparisons alone into 32-bit NEON, which takes denormal numbers for 0. */
#if defined(__clang__) && defined(__arm__)
#define NO_VECTORS _Pragma("clang loop vectorize(disable)")
#else
#define NO_VECTORS
#endif

static void clamp(float low, float high, size_t count, const float *x, float *y) {
    NO_VECTORS for (size_t i = 0; i < count; i++) {
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
    for (size_t row = 0; row < rows; row++, x += width, y += width) {
        for (size_t i = 0; i < width; i++) y[i] = x[i] * beta;
        float highest = y[0];
        for (size_t i = 1; i < width; i++) highest = y[i] > highest ? y[i] : highest;
        for (size_t i = 0; i < width; i++) y[i] = exponential(y[i] - highest);
        float sum = 0.0f;
        for (size_t i = 0; i < width; i++) sum += y[i]; /* in this order, on every CPU */
        for (size_t i = 0; i < width; i++) y[i] = y[i] / sum;
    }
}

#endif
