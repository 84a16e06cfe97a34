/* From the sum of an int8 step to its value. */
#ifndef STROP_INT8_REQUANTIZE_H
#define STROP_INT8_REQUANTIZE_H

#include "kernels.h"
#include "reference.h"

static inline int8_t requantized(const strop_requantization *how, int32_t output, int32_t sum) {
    const int32_t i = how->per_output ? output : 0;
    /* Clamped before the zero point is added, so that the sum cannot overflow. */
    const int32_t low = (int32_t)how->low - how->zero_point;
    const int32_t high = (int32_t)how->high - how->zero_point;
    int32_t value = multiply_reference(sum, how->multipliers[i], how->shifts[i]);
    value = value < low ? low : value;
    value = value > high ? high : value;
    return (int8_t)(value + how->zero_point);
}

#endif
