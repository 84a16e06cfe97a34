/* An exp of our own: libm gives other bits on other systems. */
#ifndef STROP_EXPONENTIAL_H
#define STROP_EXPONENTIAL_H

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

#endif
