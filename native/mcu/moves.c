/* Copies: concatenate, pad and transpose. */
#include "kernels.h"

static void copy_bytes(int32_t bytes, const uint8_t *x, uint8_t *y) {
    for (; bytes > 0; bytes--) *y++ = *x++;
}

void strop_copy(const strop_axis *axes, int32_t rank, int32_t bytes, const void *x, void *y) {
    int32_t from = 0, to = 0, done[6] = {0, 0, 0, 0, 0, 0};
    for (;;) {
        int32_t i = rank - 1;
        copy_bytes(bytes, (const uint8_t *)x + from, (uint8_t *)y + to);
        for (; i >= 0; i--) { /* to the next position, as an odometer */
            from += axes[i].x_step;
            to += axes[i].y_step;
            if (++done[i] < axes[i].size) break;
            from -= axes[i].size * axes[i].x_step;
            to -= axes[i].size * axes[i].y_step;
            done[i] = 0;
        }
        if (i < 0) return;
    }
}

void strop_fill(uint8_t value, int32_t bytes, void *y) {
    uint8_t *to = y;
    for (; bytes > 0; bytes--) *to++ = value;
}
