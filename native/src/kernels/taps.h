/* The taps of a window: pointers to the pixels that it covers. */
#ifndef STROP_TAPS_H
#define STROP_TAPS_H

#include "../kernels.h"

enum { MOST_TAPS = 27 }; /* that are pointed to together: 3 x 3, and 5 x 5 with padding */

/* A window over an image of `pixel_bytes` a pixel: where it begins. */
typedef struct {
    const window *of;
    const uint8_t *image;
    size_t pixel_bytes;
    size_t y_column;
    int64_t row, column;
} place_of_window;

static inline place_of_window first_window(const window *of, const void *image,
                                           size_t value_bytes) {
    return (place_of_window){
        of, image, of->channels * value_bytes, 0, -(int64_t)of->top, -(int64_t)of->left};
}

static inline void move_window(place_of_window *at) {
    at->column += at->of->stride_w;
    if (++at->y_column < at->of->y_width) return;
    at->y_column = 0;
    at->column = -(int64_t)at->of->left;
    at->row += at->of->stride_h;
}

/* Tell whether all columns of the window are inside the image. */
static inline int has_all_columns(const place_of_window *at) {
    return at->column >= 0 &&
           at->column + (int64_t)(at->of->columns - 1) * at->of->dilation_w < at->of->width;
}

/* Point to `count` taps from number `first` on, and return how many pointers there are. Those that
 * are outside the image become `outside`, or are left out where it is NULL. */
static size_t find_taps(const place_of_window *at, size_t first, size_t count, const void *outside,
                        const uint8_t **taps) {
    const window *of = at->of;
    size_t row = first / of->columns, column = first % of->columns, found = 0;
    for (size_t done = 0; done < count; done++) {
        const int64_t y = at->row + (int64_t)row * of->dilation_h;
        const int64_t x = at->column + (int64_t)column * of->dilation_w;
        const int is_inside = row < of->rows && y >= 0 && y < of->height && x >= 0 && x < of->width;
        if (is_inside)
            taps[found++] = at->image + ((size_t)y * of->width + (size_t)x) * at->pixel_bytes;
        else if (outside)
            taps[found++] = outside;
        if (++column == of->columns) column = 0, row++;
    }
    return found;
}

#endif
