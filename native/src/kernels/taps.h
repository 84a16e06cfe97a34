/* Windows one after the other, and their taps: pointers to the pixels that a window covers. */
#ifndef STROP_TAPS_H
#define STROP_TAPS_H

#include "../kernels.h"

enum { MOST_TAPS = 32 }; /* that are pointed to together: more than 5 x 5 */

/* A window of an output: where it begins in x. */
typedef struct {
    size_t y_column;
    int64_t row, column;
} window_place;

static inline window_place place_of_window(const window *of, size_t output) {
    const size_t y_row = output / of->y_width, y_column = output % of->y_width;
    return (window_place){y_column, (int64_t)y_row * of->stride_h - of->top,
                          (int64_t)y_column * of->stride_w - of->left};
}

/* Move on by so many windows, in one row of y. */
static inline void move_window(const window *of, size_t count, window_place *at) {
    at->y_column += count;
    at->column += (int64_t)count * of->stride_w;
    if (at->y_column < of->y_width) return;
    at->y_column = 0;
    at->column = -(int64_t)of->left;
    at->row += of->stride_h;
}

/* Count the windows from this one on, in one row of y, that are inside x with all their taps. */
static size_t windows_inside(const window *of, const window_place *at) {
    const int64_t last_row = (int64_t)(of->rows - 1) * of->dilation_h;
    const int64_t last_column = (int64_t)(of->columns - 1) * of->dilation_w;
    const int64_t left = (int64_t)of->width - 1 - last_column - at->column;
    if (at->row < 0 || at->row + last_row >= of->height || at->column < 0 || left < 0) return 0;
    const size_t count = (size_t)left / of->stride_w + 1, others = of->y_width - at->y_column;
    return count < others ? count : others;
}

/* Windows whose taps are alike. */
typedef struct {
    const window *of;
    const uint8_t *image;
    size_t pixel_bytes;
    const void *outside; /* what taps outside the image point to; NULL: they are left out */
    window_place at;     /* the first */
    size_t count;        /* how many there are: the taps of each are `step` behind those before */
    size_t step;
    size_t taps_found; /* pointers, if a window has no more taps than MOST_TAPS */
    const uint8_t *taps[MOST_TAPS];
} window_run;

static inline size_t window_taps(const window *of) { return (size_t)of->rows * of->columns; }

/* Point to `count` taps of the first window of a run, from number `first` on, and return how many
 * pointers there are. */
static size_t find_taps(window_run *run, size_t first, size_t count) {
    const window *of = run->of;
    size_t row = first / of->columns, column = first % of->columns, found = 0;
    for (size_t done = 0; done < count; done++) {
        const int64_t y = run->at.row + (int64_t)row * of->dilation_h;
        const int64_t x = run->at.column + (int64_t)column * of->dilation_w;
        if (y >= 0 && y < of->height && x >= 0 && x < of->width)
            run->taps[found++] =
                run->image + ((size_t)y * of->width + (size_t)x) * run->pixel_bytes;
        else if (run->outside)
            run->taps[found++] = run->outside;
        if (++column == of->columns) column = 0, row++;
    }
    return found;
}

/* Find the windows that are alike from the place of a run on. If they have many taps, each is a run
 * of its own. */
static void find_run(window_run *run) {
    const size_t taps = window_taps(run->of);
    run->count = 1;
    if (taps > MOST_TAPS) return;
    const size_t inside = windows_inside(run->of, &run->at);
    if (inside) run->count = inside;
    run->taps_found = find_taps(run, 0, taps);
}

static inline window_run first_run(const window *of, const void *image, size_t value_bytes,
                                   const void *outside) {
    const size_t pixel_bytes = of->channels * value_bytes;
    window_run run = {.of = of, .image = image, .pixel_bytes = pixel_bytes, .outside = outside};
    run.at = place_of_window(of, 0);
    run.step = of->stride_w * pixel_bytes;
    find_run(&run);
    return run;
}

/* Find the windows behind those of a run; there are some. */
static inline void next_run(window_run *run) {
    move_window(run->of, run->count, &run->at);
    find_run(run);
}

#endif
