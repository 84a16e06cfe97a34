/* From int32 accumulators to stored bytes, in both roundings. */
#ifndef STROP_REQUANTIZE_H
#define STROP_REQUANTIZE_H

#include "../kernels.h"
#include "bits.h"
#include "reference.h"

#ifndef REQUANTIZE_FLOAT /* else an instruction set has its own */
/* XNNPACK's: times a float, clamped, rounded to nearest even. */
static void requantize_float(const requantization *how, const float *restrict scales, size_t rows,
                             size_t count, const int32_t *restrict accumulators,
                             uint8_t *restrict y, size_t y_stride) {
    const float low = (float)(how->low - how->zero_point);
    const float high = (float)(how->high - how->zero_point);
    const int32_t zero_point = how->zero_point;
    for (size_t row = 0; row < rows; row++, accumulators += PANEL_OUTPUTS, y += y_stride)
        for (size_t i = 0; i < count; i++) {
            float value = (float)accumulators[i] * scales[i];
            value = value < low ? low : value;
            value = value > high ? high : value;
            y[i] = (uint8_t)(nearest_even(value) + zero_point);
        }
}
#endif

static void requantize_reference(const requantization *how, const int32_t *restrict multipliers,
                                 const int32_t *restrict shifts, size_t rows, size_t count,
                                 const int32_t *restrict accumulators, uint8_t *restrict y,
                                 size_t y_stride) {
    const int32_t low = how->low;
    const int32_t high = how->high;
    const int32_t zero_point = how->zero_point;
    for (size_t row = 0; row < rows; row++, accumulators += PANEL_OUTPUTS, y += y_stride)
        for (size_t i = 0; i < count; i++) {
            int32_t value = multiply_reference(accumulators[i], multipliers[i], shifts[i]);
            /* Clamped before the zero point is added, so that the sum cannot overflow. */
            value = value < low - zero_point ? low - zero_point : value;
            value = value > high - zero_point ? high - zero_point : value;
            y[i] = (uint8_t)(value + zero_point);
        }
}

/* Requantize `count` outputs of some rows, from number `first` on. The accumulators of a row are
 * PANEL_OUTPUTS after those of the row before, its bytes `y_stride`. */
static inline void requantize_rows(const requantization *how, size_t first, size_t rows,
                                   size_t count, const int32_t *accumulators, uint8_t *y,
                                   size_t y_stride) {
    if (how->scales)
        requantize_float(how, how->scales + first, rows, count, accumulators, y, y_stride);
    else
        requantize_reference(how, how->multipliers + first, how->shifts + first, rows, count,
                             accumulators, y, y_stride);
}

/* The same for one row. */
static inline void requantize(const requantization *how, size_t first, size_t count,
                              const int32_t *accumulators, uint8_t *y) {
    requantize_rows(how, first, 1, count, accumulators, y, count);
}

#endif
