/* Between float32, uint8 and int8. */
#include "exact.h"

#include "kernels.h"
#include "reference.h"

void strop_quantize(float scale, int32_t zero_point, int32_t count, const float *x, int8_t *y) {
    const float low = (float)(-128 - zero_point), high = (float)(127 - zero_point);
    for (; count > 0; count--)
        *y++ = (int8_t)(quantize_reference(*x++, scale, low, high) + zero_point);
}

/* From the end, as y may begin where x does. */
void strop_dequantize_int8(float scale, int32_t zero_point, int32_t count, const int8_t *x,
                           float *y) {
    while (count-- > 0) y[count] = (float)(x[count] - zero_point) * scale;
}

void strop_dequantize_uint8(float scale, int32_t zero_point, int32_t count, const uint8_t *x,
                            float *y) {
    while (count-- > 0) y[count] = (float)(x[count] - zero_point) * scale;
}

static int8_t bounded(int32_t value) {
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
}

void strop_shift_int8(int32_t offset, int32_t count, const int8_t *x, int8_t *y) {
    for (; count > 0; count--) *y++ = bounded(*x++ + offset);
}

void strop_shift_uint8(int32_t offset, int32_t count, const uint8_t *x, int8_t *y) {
    for (; count > 0; count--) *y++ = bounded(*x++ + offset);
}

void strop_lookup(const int8_t *table, int32_t count, const uint8_t *x, int8_t *y) {
    for (; count > 0; count--) *y++ = table[*x++];
}
