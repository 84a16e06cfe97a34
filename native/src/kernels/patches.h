/* Patches: the values of windows, by row, column and channel, one window after the other. */
#ifndef STROP_PATCHES_H
#define STROP_PATCHES_H

#include <string.h>

#include "../kernels.h"
#include "../unroll.h"

/* Copy rows of a window that is inside the image, `step` bytes apart. They are copied in whole
 * pieces, so that no length is a call: up to COPY_BYTES - 1 bytes more are read and written. */
INLINE uint8_t *copy_window(uint8_t *restrict to, const uint8_t *restrict from, size_t rows,
                            size_t bytes, size_t step) {
    if (bytes <= COPY_BYTES / 2) {
        for (size_t k = 0; k < rows; k++, to += bytes, from += step)
            memcpy(to, from, COPY_BYTES / 2);
        return to;
    }
    for (size_t k = 0; k < rows; k++, to += bytes, from += step) {
        size_t i = 0;
        do {
            memcpy(to + i, from + i, COPY_BYTES);
            i += COPY_BYTES;
        } while (i < bytes);
    }
    return to;
}

/* Copy a row of a window that begins at `column` of a row of x, with what is outside. */
static uint8_t *gather_row(const window *of, uint8_t outside, size_t pixel_bytes,
                           const uint8_t *row, int64_t column, uint8_t *to) {
    if (of->dilation_w == 1 && column >= 0 && column + of->columns <= of->width) {
        const size_t bytes = of->columns * pixel_bytes;
        memcpy(to, row + (size_t)column * pixel_bytes, bytes);
        return to + bytes;
    }
    for (uint32_t k = 0; k < of->columns; k++, column += of->dilation_w, to += pixel_bytes) {
        if (column >= 0 && column < of->width)
            memcpy(to, row + (size_t)column * pixel_bytes, pixel_bytes);
        else
            memset(to, outside, pixel_bytes);
    }
    return to;
}

/* The same for all rows of a window. */
static uint8_t *gather_window(const window *of, uint8_t outside, size_t pixel_bytes,
                              const uint8_t *image, int64_t row, int64_t column, uint8_t *to) {
    const size_t row_bytes = of->width * pixel_bytes, bytes = of->columns * pixel_bytes;
    for (uint32_t k = 0; k < of->rows; k++, row += of->dilation_h) {
        if (row >= 0 && row < of->height) {
            to = gather_row(of, outside, pixel_bytes, image + (size_t)row * row_bytes, column, to);
        } else {
            memset(to, outside, bytes);
            to += bytes;
        }
    }
    return to;
}

/* Gather the windows of `count` outputs from number `first` on: `outside` is each byte of what is
 * outside the image. Up to COPY_BYTES - 1 bytes are written behind the last. */
static void gather(const window *of, uint8_t outside, size_t value_bytes, const uint8_t *image,
                   size_t first, size_t count, uint8_t *to) {
    const size_t pixel_bytes = of->channels * value_bytes, bytes = of->columns * pixel_bytes;
    const size_t row_bytes = of->width * pixel_bytes, step = of->dilation_h * row_bytes;
    const size_t image_bytes = of->height * row_bytes, y_width = of->y_width;
    /* Bytes from the start of a window to the end of what copy_window() reads. */
    const size_t reach = (of->rows - 1) * step + bytes + COPY_BYTES;
    const int64_t last_row = (int64_t)of->height - 1 - (int64_t)(of->rows - 1) * of->dilation_h;
    const int64_t last_column =
        of->dilation_w == 1 ? (int64_t)of->width - of->columns : INT64_C(-1);
    size_t y_column = first % y_width;
    int64_t row = (int64_t)(first / y_width) * of->stride_h - of->top;
    int64_t column = (int64_t)y_column * of->stride_w - of->left;
    for (size_t done = 0; done < count; done++) {
        const int is_inside = row >= 0 && row <= last_row && column >= 0 && column <= last_column;
        const size_t at = is_inside ? (size_t)row * row_bytes + (size_t)column * pixel_bytes : 0;
        if (is_inside && reach <= image_bytes - at)
            to = copy_window(to, image + at, of->rows, bytes, step);
        else
            to = gather_window(of, outside, pixel_bytes, image, row, column, to);
        column += of->stride_w;
        if (++y_column == y_width) {
            y_column = 0;
            column = -(int64_t)of->left;
            row += of->stride_h;
        }
    }
}

#endif
