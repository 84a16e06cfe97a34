/* Depthwise convolutions, straight from the image. Sums of a block of channels stay in registers
 * while all taps pass. */
#ifndef STROP_DEPTHWISE_H
#define STROP_DEPTHWISE_H

#include <string.h>

#include "../unroll.h"
#include "activations.h"
#include "requantize.h"
#include "taps.h"

enum {
    SPREAD_TAPS = 8,     /* that are copied together, if a channel has several outputs */
    DEPTHWISE_PIXELS = 4 /* outputs that are requantized together */
};

/* Add the products of some taps of a block of `width` outputs to what `start` has, which may be
 * `sums`. The block begins `at` values behind the taps. */
typedef void (*add_block)(const uint8_t *const *taps, size_t count, size_t at, const void *weights,
                          size_t width, const void *start, void *sums);

#if defined(__SSE2__) || defined(__ARM_NEON) || defined(__wasm_simd128__)
/* Vectors of 16 and of 8 values, which are one or more registers of each of these. */
#define ADD_INT8_VECTORS(name, LANES_OF)                                                         \
    INLINE void name(const uint8_t *const *taps, size_t count, size_t at, const int8_t *weights, \
                     const int32_t *start, int32_t *sums, size_t vectors) {                      \
        typedef uint8_t u8_vector __attribute__((vector_size(LANES_OF)));                        \
        typedef int8_t s8_vector __attribute__((vector_size(LANES_OF)));                         \
        typedef int32_t s32_vector __attribute__((vector_size(LANES_OF * 4)));                   \
        s32_vector sum[DEPTHWISE_BLOCK / LANES_OF];                                              \
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)                                             \
            memcpy(&sum[i], start + i * LANES_OF, sizeof *sum);                                  \
        for (size_t k = 0; k < count; k++, weights += vectors * LANES_OF) {                      \
            const uint8_t *x = taps[k] + at;                                                     \
            FOR_UNROLLED(size_t i = 0; i < vectors; i++) {                                       \
                u8_vector input;                                                                 \
                s8_vector weight;                                                                \
                memcpy(&input, x + i * LANES_OF, sizeof input);                                  \
                memcpy(&weight, weights + i * LANES_OF, sizeof weight);                          \
                sum[i] += __builtin_convertvector(input, s32_vector) *                           \
                          __builtin_convertvector(weight, s32_vector);                           \
            }                                                                                    \
        }                                                                                        \
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)                                             \
            memcpy(sums + i * LANES_OF, &sum[i], sizeof *sum);                                   \
    }

ADD_INT8_VECTORS(add_int8_16, 16)
ADD_INT8_VECTORS(add_int8_8, 8)
#undef ADD_INT8_VECTORS
#define HAS_INT8_VECTORS
#endif

static void add_int8_taps(const uint8_t *const *taps, size_t count, size_t at, const void *from,
                          size_t width, const void *start, void *to) {
    const int8_t *weights = from;
    int32_t *sums = to;
    switch (width) {
#if defined(HAS_INT8_VECTORS)
        case 64: add_int8_16(taps, count, at, weights, start, sums, 4); return;
        case 32: add_int8_16(taps, count, at, weights, start, sums, 2); return;
        case 16: add_int8_16(taps, count, at, weights, start, sums, 1); return;
        case 8: add_int8_8(taps, count, at, weights, start, sums, 1); return;
#endif
        default:
            if (sums != start) memcpy(sums, start, width * sizeof *sums);
            for (size_t k = 0; k < count; k++, weights += width)
                for (size_t i = 0; i < width; i++) sums[i] += taps[k][at + i] * weights[i];
    }
}

INLINE void add_float_vectors(const uint8_t *const *taps, size_t count, size_t at,
                              const float *weights, const float *start, float *sums,
                              size_t vectors) {
    lanes sum[DEPTHWISE_BLOCK / LANES];
    FOR_UNROLLED(size_t i = 0; i < vectors; i++) memcpy(&sum[i], start + i * LANES, sizeof *sum);
    for (size_t k = 0; k < count; k++, weights += vectors * LANES) {
        const uint8_t *x = taps[k] + at * sizeof *sums;
        FOR_UNROLLED(size_t i = 0; i < vectors; i++) {
            lanes input, weight;
            memcpy(&input, x + i * sizeof input, sizeof input);
            memcpy(&weight, weights + i * LANES, sizeof weight);
            sum[i] += input * weight;
        }
    }
    FOR_UNROLLED(size_t i = 0; i < vectors; i++) memcpy(sums + i * LANES, &sum[i], sizeof *sum);
}

static void add_float_taps(const uint8_t *const *taps, size_t count, size_t at, const void *from,
                           size_t width, const void *start, void *to) {
    const float *weights = from;
    float *sums = to;
    switch (LANES > 1 ? width : 0) {
        case 64: add_float_vectors(taps, count, at, weights, start, sums, 64 / LANES); return;
        case 32: add_float_vectors(taps, count, at, weights, start, sums, 32 / LANES); return;
        case 16: add_float_vectors(taps, count, at, weights, start, sums, 16 / LANES); return;
        default:
            if (sums != start) memcpy(sums, start, width * sizeof *sums);
            for (size_t k = 0; k < count; k++, weights += width) {
                const float *x = (const float *)(const void *)taps[k] + at;
                for (size_t i = 0; i < width; i++) sums[i] += x[i] * weights[i];
            }
    }
}

/* Where each output of a block reads, if a channel has several. */
static void spread(const uint8_t *pixel, size_t value_bytes, size_t first, size_t count,
                   size_t multiplier, uint8_t *to) {
    size_t channel = first / multiplier, output = first % multiplier;
    for (size_t i = 0; i < count; i++) {
        memcpy(to + i * value_bytes, pixel + channel * value_bytes, value_bytes);
        if (++output == multiplier) output = 0, channel++;
    }
}

/* Spread some taps, and add them. */
static void add_spread_taps(const uint8_t *const *taps, size_t count, size_t value_bytes, size_t at,
                            size_t first, size_t width, size_t multiplier, const uint8_t *weights,
                            const void *start, void *sums, add_block add) {
    float copies[SPREAD_TAPS][DEPTHWISE_BLOCK]; /* of int8 too */
    const uint8_t *copied[SPREAD_TAPS];
    for (size_t i = 0; i < SPREAD_TAPS; i++) copied[i] = (const uint8_t *)copies[i];
    for (size_t done = 0, few; done < count; done += few) {
        few = count - done < SPREAD_TAPS ? count - done : SPREAD_TAPS;
        for (size_t i = 0; i < few; i++)
            spread(taps[done + i] + at * value_bytes, value_bytes, first, width, multiplier,
                   (uint8_t *)copies[i]);
        add(copied, few, 0, weights + done * width * value_bytes, width, done ? sums : start, sums);
    }
}

/* Add all taps of a block of outputs, `at` values behind the first window of a run. Inputs and
 * weights have `value_bytes` each. */
INLINE void add_all_taps(window_run *run, size_t value_bytes, size_t at, const void *weights,
                         size_t outputs, size_t first, size_t width, const void *start, void *sums,
                         add_block add) {
    const size_t channels = run->of->channels, taps = window_taps(run->of);
    const uint8_t *weight = (const uint8_t *)weights + first * taps * value_bytes;
    for (size_t done = 0; done < taps; done += MOST_TAPS) {
        const size_t left = taps - done, count = left < MOST_TAPS ? left : MOST_TAPS;
        if (taps > MOST_TAPS) find_taps(run, done, count);
        if (outputs == channels)
            add(run->taps, count, at + first, weight, width, done ? sums : start, sums);
        else
            add_spread_taps(run->taps, count, value_bytes, at, first, width, outputs / channels,
                            weight, done ? sums : start, sums, add);
        weight += count * width * value_bytes;
    }
}

/* Up to DEPTHWISE_PIXELS windows of a run: y is where the first output goes. */
static void int8_depthwise_pixels(const int8_layer *layer, window_run *run, size_t from,
                                  size_t pixels, uint8_t *y) {
    const size_t outputs = layer->outputs;
    for (size_t first = 0, width; first < outputs; first += width) {
        int32_t sums[DEPTHWISE_PIXELS * PANEL_OUTPUTS];
        width = depthwise_width(outputs - first);
        for (size_t i = 0; i < pixels; i++)
            add_all_taps(run, 1, (from + i) * run->step, layer->weights, outputs, first, width,
                         layer->bias + first, sums + i * PANEL_OUTPUTS, add_int8_taps);
        requantize_rows(&layer->requantize, first, pixels, width, sums, y + first, outputs);
    }
}

static void int8_depthwise_conv_2d(const int8_depthwise *how, size_t samples, const uint8_t *x,
                                   uint8_t *y) {
    const window *of = &how->window;
    const size_t pixels = (size_t)of->y_height * of->y_width, outputs = how->layer.outputs;
    for (size_t sample = 0; sample < samples; sample++) {
        window_run run = first_run(of, x, sizeof *x, how->outside);
        for (size_t done = run.count;; done += run.count) {
            for (size_t i = 0, few; i < run.count; i += few, y += few * outputs) {
                few = run.count - i < DEPTHWISE_PIXELS ? run.count - i : DEPTHWISE_PIXELS;
                int8_depthwise_pixels(&how->layer, &run, i, few, y);
            }
            if (done == pixels) break;
            next_run(&run);
        }
        x += (size_t)of->height * of->width * of->channels;
    }
}

static void float_depthwise_pixel(const float_layer *layer, window_run *run, size_t at, float *y) {
    static const float zeros[DEPTHWISE_BLOCK];
    const size_t outputs = layer->outputs;
    for (size_t first = 0, width; first < outputs; first += width) {
        width = depthwise_width(outputs - first);
        add_all_taps(run, sizeof *y, at, layer->weights, outputs, first, width, zeros, y + first,
                     add_float_taps);
    }
    for (size_t i = 0; i < outputs; i++) y[i] = y[i] + layer->bias[i];
    clamp(layer->low, layer->high, outputs, y, y);
}

static void float_depthwise_conv_2d(const float_depthwise *how, size_t samples, const float *x,
                                    float *y) {
    const window *of = &how->window;
    const size_t pixels = (size_t)of->y_height * of->y_width;
    for (size_t sample = 0; sample < samples; sample++) {
        window_run run = first_run(of, x, sizeof *x, how->outside);
        for (size_t done = run.count;; done += run.count) {
            for (size_t i = 0; i < run.count; i++, y += how->layer.outputs)
                float_depthwise_pixel(&how->layer, &run, i * run.step / sizeof *x, y);
            if (done == pixels) break;
            next_run(&run);
        }
        x += (size_t)of->height * of->width * of->channels;
    }
}

#endif
