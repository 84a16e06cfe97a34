/* Patches: the values of windows, by row, column and channel, one window after the other. */
#ifndef STROP_PATCHES_H
#define STROP_PATCHES_H

#include <string.h>

#include "../kernels.h"
#include "../unroll.h"
#include "taps.h"

/* Copy windows that are inside the image, `next` bytes apart, and their rows, `step` bytes apart.
 * They are copied in whole pieces, so that no length is a call: up to COPY_BYTES - 1 bytes more are
 * read and written. */
static uint8_t *copy_windows(uint8_t *restrict to, const uint8_t *restrict image, size_t count,
                             size_t next, size_t rows, size_t bytes, size_t step) {
    for (; count > 0; count--, image += next) {
        const uint8_t *from = image;
        if (bytes <= COPY_BYTES / 2) {
            for (size_t k = 0; k < rows; k++, to += bytes, from += step)
                memcpy(to, from, COPY_BYTES / 2);
            continue;
        }
        for (size_t k = 0; k < rows; k++, to += bytes, from += step) {
            size_t i = 0;
            do {
                memcpy(to + i, from + i, COPY_BYTES);
                i += COPY_BYTES;
            } while (i < bytes);
        }
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
    const size_t row_bytes = of->width * pixel_bytes, image_bytes = of->height * row_bytes;
    const size_t next = of->stride_w * pixel_bytes;
    window_place at = place_of_window(of, first);
    for (size_t done = 0, run; done < count; done += run) {
        run = of->dilation_w == 1 ? windows_inside(of, &at) : 0;
        if (run > count - done) run = count - done;
        if (run) {
            const size_t step = of->dilation_h * row_bytes;
            const size_t start = (size_t)at.row * row_bytes + (size_t)at.column * pixel_bytes;
            const size_t end =
                start + (of->rows - 1) * step + bytes + COPY_BYTES; /* of the first */
            while (run && end + (run - 1) * next > image_bytes) run--;
            to = copy_windows(to, image + start, run, next, of->rows, bytes, step);
        }
        if (!run) {
            to = gather_window(of, outside, pixel_bytes, image, at.row, at.column, to);
            run = 1;
        }
        move_window(of, run, &at);
    }
}

#endif
