/* Patches: the values of windows, by row, column and channel, one window after the other. */
#ifndef STROP_PATCHES_H
#define STROP_PATCHES_H

#include <string.h>

#include "../kernels.h"
#include "../unroll.h"

/* Copy in whole pieces, so that no length is a call: up to COPY_BYTES - 1 bytes more are read and
 * written. */
INLINE void copy_pieces(uint8_t *restrict to, const uint8_t *restrict from, size_t bytes) {
    size_t i = 0;
    if (bytes <= COPY_BYTES / 2) {
        memcpy(to, from, COPY_BYTES / 2);
        return;
    }
    do {
        memcpy(to + i, from + i, COPY_BYTES);
        i += COPY_BYTES;
    } while (i < bytes);
}

/* Copy the pixels of one row of a window that begins at `column` of a row of x. */
INLINE void gather_row(const window *of, uint8_t outside, size_t pixel_bytes, const uint8_t *row,
                       const uint8_t *end, int64_t column, uint8_t *to) {
    const size_t bytes = of->columns * pixel_bytes;
    if (of->dilation_w == 1 && column >= 0 && column + of->columns <= of->width) {
        const uint8_t *from = row + (size_t)column * pixel_bytes;
        if ((size_t)(end - from) >= bytes + COPY_BYTES)
            copy_pieces(to, from, bytes);
        else
            memcpy(to, from, bytes);
        return;
    }
    for (uint32_t k = 0; k < of->columns; k++, column += of->dilation_w, to += pixel_bytes) {
        if (column >= 0 && column < of->width)
            memcpy(to, row + (size_t)column * pixel_bytes, pixel_bytes);
        else
            memset(to, outside, pixel_bytes);
    }
}

/* Gather the windows of `count` outputs from number `first` on: `outside` is each byte of what is
 * outside the image. Up to COPY_BYTES - 1 bytes are written behind the last. */
static void gather(const window *of, uint8_t outside, size_t value_bytes, const uint8_t *image,
                   size_t first, size_t count, uint8_t *to) {
    const size_t pixel_bytes = of->channels * value_bytes;
    const size_t row_bytes = of->width * pixel_bytes, patch_row = of->columns * pixel_bytes;
    const uint8_t *end = image + of->height * row_bytes;
    size_t y_row = first / of->y_width, y_column = first % of->y_width;
    for (size_t done = 0; done < count; done++) {
        int64_t row = (int64_t)y_row * of->stride_h - of->top;
        const int64_t column = (int64_t)y_column * of->stride_w - of->left;
        for (uint32_t k = 0; k < of->rows; k++, row += of->dilation_h, to += patch_row) {
            if (row >= 0 && row < of->height)
                gather_row(of, outside, pixel_bytes, image + (size_t)row * row_bytes, end, column,
                           to);
            else
                memset(to, outside, patch_row);
        }
        if (++y_column == of->y_width) y_column = 0, y_row++;
    }
}

#endif
