/* The bits of a float, and rounding without libm or the CPU's rounding instructions. */
#ifndef STROP_BITS_H
#define STROP_BITS_H

#include <stdint.h>

/* C99 lets a union be read as another of its types. Microcontrollers may lack string.h. */
typedef union {
    float value;
    uint32_t bits;
} float_bits;

static inline uint32_t bits_of(float value) { return (float_bits){.value = value}.bits; }

static inline float float_of(uint32_t bits) { return (float_bits){.bits = bits}.value; }

/* 1.5 * 2^23: its last bit is worth 1, so a sum with it is rounded to an integer, ties to even. */
#define ROUNDER 12582912.0f

/* Round to the nearest integer, ties to even; |value| is at most 2^22. */
static inline int32_t nearest_even(float value) {
    return (int32_t)(bits_of(value + ROUNDER) - bits_of(ROUNDER));
}

/* Round to the nearest integer, ties away from zero; |value| is at most 2^22. */
static inline int32_t nearest_away(float value) {
    const int32_t whole = (int32_t)value;
    const float rest = value - (float)whole; /* exact */
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

#endif
