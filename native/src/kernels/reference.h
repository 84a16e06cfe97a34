/* Rounding `reference`: the arithmetic of TensorFlow Lite's reference kernels. */
#ifndef STROP_REFERENCE_H
#define STROP_REFERENCE_H

#include "bits.h"

/* MultiplyByQuantizedMultiplier with double rounding: no floats, `shift` is 0..31. */
static inline int32_t multiply_reference(int32_t value, int32_t multiplier, int32_t shift) {
    const int64_t product = (int64_t)value * multiplier;
    /* SaturatingRoundingDoublingHighMul: its two nudges and its division that truncates come to
     * this one shift. It does not saturate, as the multiplier is positive. */
    const int32_t high = (int32_t)((product + (INT32_C(1) << 30)) >> 31);
    /* RoundingDivideByPOT: ties away from zero. */
    const int32_t mask = (int32_t)((UINT32_C(1) << shift) - 1);
    const int32_t threshold = (mask >> 1) + (high < 0);
    return (high >> shift) + ((high & mask) > threshold);
}

/* Return x / scale, from low to high, as an integer, ties away from zero; 0 for NaN. */
static inline int32_t quantize_reference(float x, float scale, float low, float high) {
    float value = x / scale;
    value = value < low ? low : value;
    value = value > high ? high : value;
    return nearest_away(value == value ? value : 0.0f);
}

#endif
