/* Which taps of a window lie inside x, along one axis. */
#ifndef STROP_WINDOW_H
#define STROP_WINDOW_H

#include "kernels.h"

typedef struct {
    int32_t first, end; /* taps first to end - 1 are inside */
    int32_t start;      /* the position of tap `first` in x; 0 if none is inside */
} taps;

static inline taps taps_inside(int32_t output, int32_t stride, int32_t padding, int32_t dilation,
                               int32_t kernel, int32_t size) {
    taps inside = {0, kernel, output * stride - padding};
    while (inside.first < kernel && inside.start < 0) {
        inside.first++;
        inside.start += dilation;
    }
    int32_t last = inside.start + (kernel - 1 - inside.first) * dilation;
    for (; inside.end > inside.first && last >= size; last -= dilation) inside.end--;
    if (inside.end == inside.first) inside.start = 0;
    return inside;
}

static inline taps rows_inside(const strop_window *window, int32_t row) {
    return taps_inside(row, window->stride_height, window->padding_top, window->dilation_height,
                       window->kernel_height, window->height);
}

static inline taps columns_inside(const strop_window *window, int32_t column) {
    return taps_inside(column, window->stride_width, window->padding_left, window->dilation_width,
                       window->kernel_width, window->width);
}

#endif
