/* Between float32 and int8 as stored. */
#ifndef STROP_QUANTIZE_H
#define STROP_QUANTIZE_H

#include "../kernels.h"
#include "bits.h"
#include "reference.h"

static void quantize(const quantization *how, size_t count, const float *restrict x,
                     uint8_t *restrict y) {
    const int32_t zero_point = how->zero_point;
    const float low = (float)(0 - zero_point);
    const float high = (float)(255 - zero_point);
    const float scale = how->scale;
    if (how->half_away) {
        for (size_t i = 0; i < count; i++)
            y[i] = (uint8_t)(quantize_reference(x[i], scale, low, high) + zero_point);
    } else {
        const float inverse = 1.0f / scale;
        for (size_t i = 0; i < count; i++) {
            float value = x[i] * inverse;
            value = value < low ? low : value;
            value = value > high ? high : value;
            value = value == value ? value : 0.0f;
            y[i] = (uint8_t)(nearest_even(value) + zero_point);
        }
    }
}

static void dequantize(float scale, int32_t zero_point, size_t count, const uint8_t *restrict x,
                       float *restrict y) {
    for (size_t i = 0; i < count; i++) y[i] = (float)((int32_t)x[i] - zero_point) * scale;
}

#endif
