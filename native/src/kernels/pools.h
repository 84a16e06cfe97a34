/* Pools. Channels are the loops that compilers turn into vectors. */
#ifndef STROP_POOLS_H
#define STROP_POOLS_H

#include <string.h>

#include "activations.h"
#include "taps.h"

enum { POOL_BLOCK = 64 }; /* channels whose sums are together */

static inline size_t fewer(size_t a, size_t b) { return a < b ? a : b; }

static void keep_larger(size_t count, const uint8_t *restrict x, uint8_t *restrict y) {
    for (size_t i = 0; i < count; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
}

static void keep_larger_float(size_t count, const float *restrict x, float *restrict y) {
    FOR_SCALAR(size_t i = 0; i < count; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
}

/* Point to some taps of window `number` of a run, and return how many pointers there are. */
static size_t taps_of(window_run *run, size_t number, size_t first, const uint8_t **taps) {
    const size_t all = window_taps(run->of);
    const size_t found =
        all > MOST_TAPS ? find_taps(run, first, fewer(all - first, MOST_TAPS)) : run->taps_found;
    for (size_t i = 0; i < found; i++) taps[i] = run->taps[i] + number * run->step;
    return found;
}

static void int8_max(const int8_pool *how, window_run *run, size_t number, uint8_t *y) {
    const size_t channels = how->window.channels;
    const uint8_t low = (uint8_t)how->low, high = (uint8_t)how->high;
    memset(y, 0, channels);
    for (size_t first = 0; first < window_taps(&how->window); first += MOST_TAPS) {
        const uint8_t *taps[MOST_TAPS];
        const size_t found = taps_of(run, number, first, taps);
        for (size_t k = 0; k < found; k++) keep_larger(channels, taps[k], y);
    }
    for (size_t k = 0; k < channels; k++) {
        y[k] = y[k] < low ? low : y[k];
        y[k] = y[k] > high ? high : y[k];
    }
}

static void float_max(const float_pool *how, window_run *run, size_t number, float *y) {
    const size_t channels = how->window.channels;
    int is_first = 1; /* NaN in the first value stays, elsewhere it is passed over */
    for (size_t first = 0; first < window_taps(&how->window); first += MOST_TAPS) {
        const uint8_t *taps[MOST_TAPS];
        const size_t found = taps_of(run, number, first, taps);
        for (size_t k = 0; k < found; k++, is_first = 0) {
            if (is_first)
                memcpy(y, taps[k], channels * sizeof *y);
            else
                keep_larger_float(channels, (const float *)(const void *)taps[k], y);
        }
    }
    clamp(how->low, how->high, channels, y, y);
}

static void add_bytes(size_t count, const uint8_t *restrict x, int32_t *restrict sums) {
    for (size_t i = 0; i < count; i++) sums[i] += x[i];
}

static void add_floats(size_t count, const float *restrict x, float *restrict sums) {
    for (size_t i = 0; i < count; i++) sums[i] += x[i];
}

/* From the sums of `values` stored bytes, at most 2^16 of them, to their mean as stored: the
 * nearest integer, halves away from q = 0. The quotient of such integers in float32 never rounds up
 * to the next integer, as dividend and divisor are below 2^24 and their quotient below 2^8. */
static void average(const int8_pool *how, int32_t values, size_t count,
                    const int32_t *restrict sums, uint8_t *restrict y) {
    const int32_t half = values / 2;
    const float divisor = (float)values;
    for (size_t i = 0; i < count; i++) {
        const int32_t sum = sums[i] - 128 * values; /* of q */
        const int32_t size = (int32_t)((float)((sum < 0 ? -sum : sum) + half) / divisor);
        int32_t value = 128 + (sum < 0 ? -size : size);
        value = value < how->low ? how->low : value;
        value = value > how->high ? how->high : value;
        y[i] = (uint8_t)value;
    }
}

static void int8_average(const int8_pool *how, window_run *run, size_t number, uint8_t *y) {
    const size_t channels = how->window.channels;
    for (size_t channel = 0; channel < channels; channel += POOL_BLOCK) {
        const size_t width = fewer(channels - channel, POOL_BLOCK);
        int32_t sums[POOL_BLOCK] = {0}, values = 0;
        for (size_t first = 0; first < window_taps(&how->window); first += MOST_TAPS) {
            const uint8_t *taps[MOST_TAPS];
            const size_t found = taps_of(run, number, first, taps);
            for (size_t k = 0; k < found; k++) add_bytes(width, taps[k] + channel, sums);
            values += (int32_t)found;
        }
        average(how, values, width, sums, y + channel);
    }
}

static void float_average(const float_pool *how, window_run *run, size_t number, float *y) {
    const size_t channels = how->window.channels;
    size_t values = 0;
    memset(y, 0, channels * sizeof *y);
    for (size_t first = 0; first < window_taps(&how->window); first += MOST_TAPS) {
        const uint8_t *taps[MOST_TAPS];
        const size_t found = taps_of(run, number, first, taps);
        for (size_t k = 0; k < found; k++)
            add_floats(channels, (const float *)(const void *)taps[k], y);
        values += found;
    }
    for (size_t k = 0; k < channels; k++) y[k] = y[k] / (float)values;
    clamp(how->low, how->high, channels, y, y);
}

/* All windows of some samples. */
#define POOL(name, pool_type, value_type, pool_window)                                           \
    static void name(const pool_type *how, size_t samples, const value_type *x, value_type *y) { \
        const window *of = &how->window;                                                         \
        const size_t outputs = (size_t)of->y_height * of->y_width;                               \
        for (size_t sample = 0; sample < samples; sample++) {                                    \
            window_run run = first_run(of, x, sizeof *x, NULL);                                  \
            for (size_t done = run.count;; done += run.count) {                                  \
                for (size_t i = 0; i < run.count; i++, y += of->channels)                        \
                    pool_window(how, &run, i, y);                                                \
                if (done == outputs) break;                                                      \
                next_run(&run);                                                                  \
            }                                                                                    \
            x += (size_t)of->height * of->width * of->channels;                                  \
        }                                                                                        \
    }

POOL(int8_max_pool_2d, int8_pool, uint8_t, int8_max)
POOL(float_max_pool_2d, float_pool, float, float_max)
POOL(int8_average_pool_2d, int8_pool, uint8_t, int8_average)
POOL(float_average_pool_2d, float_pool, float, float_average)
#undef POOL

#endif
