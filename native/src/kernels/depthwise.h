/* Depthwise convolutions, straight from the image. Channels are the loops that compilers turn into
 * vectors. */
#ifndef STROP_DEPTHWISE_H
#define STROP_DEPTHWISE_H

#include <string.h>

#include "../unroll.h"
#include "activations.h"
#include "requantize.h"
#include "taps.h"

enum {
    DEPTHWISE_BLOCK = 64, /* outputs whose sums are together */
    MOST_PASS_TAPS = 9    /* taps that are added together; if fewer are left, PASS_TAPS */
};

/* Add some taps of a block of outputs, from output `at` on. Weights of a tap are `stride` behind
 * those of the tap before. */
typedef void (*add_pass)(const uint8_t *const *taps, size_t at, const void *weights, size_t stride,
                         size_t count, void *restrict sums);

/* The products of two values of int8 with weights: no weight is -128, so that 16 bits hold both. */
INLINE int32_t pair_of(uint8_t x, int8_t w, uint8_t other_x, int8_t other_w) {
    return (int16_t)((int8_t)(x ^ 0x80) * w + (int8_t)(other_x ^ 0x80) * other_w);
}

INLINE int32_t product_of(uint8_t x, int8_t w) { return (int8_t)(x ^ 0x80) * w; }

static void add_9(const uint8_t *const *taps, size_t at, const void *weights, size_t stride,
                  size_t count, void *restrict to) {
    int32_t *sums = to;
    const uint8_t *x0 = taps[0] + at, *x1 = taps[1] + at, *x2 = taps[2] + at, *x3 = taps[3] + at,
                  *x4 = taps[4] + at, *x5 = taps[5] + at, *x6 = taps[6] + at, *x7 = taps[7] + at,
                  *x8 = taps[8] + at;
    const int8_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride,
                 *w4 = w3 + stride, *w5 = w4 + stride, *w6 = w5 + stride, *w7 = w6 + stride,
                 *w8 = w7 + stride;
    for (size_t i = 0; i < count; i++)
        sums[i] += pair_of(x0[i], w0[i], x1[i], w1[i]) + pair_of(x2[i], w2[i], x3[i], w3[i]) +
                   pair_of(x4[i], w4[i], x5[i], w5[i]) + pair_of(x6[i], w6[i], x7[i], w7[i]) +
                   product_of(x8[i], w8[i]);
}

static void add_3(const uint8_t *const *taps, size_t at, const void *weights, size_t stride,
                  size_t count, void *restrict to) {
    int32_t *sums = to;
    const uint8_t *x0 = taps[0] + at, *x1 = taps[1] + at, *x2 = taps[2] + at;
    const int8_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride;
    for (size_t i = 0; i < count; i++)
        sums[i] += pair_of(x0[i], w0[i], x1[i], w1[i]) + product_of(x2[i], w2[i]);
}

static void add_9_floats(const uint8_t *const *taps, size_t at, const void *weights, size_t stride,
                         size_t count, void *restrict to) {
    float *sums = to;
    const float *x[9];
    for (size_t k = 0; k < 9; k++) x[k] = (const float *)(const void *)taps[k] + at;
    const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3], *x4 = x[4], *x5 = x[5], *x6 = x[6],
                *x7 = x[7], *x8 = x[8];
    const float *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride,
                *w4 = w3 + stride, *w5 = w4 + stride, *w6 = w5 + stride, *w7 = w6 + stride,
                *w8 = w7 + stride;
    for (size_t i = 0; i < count; i++)
        sums[i] = sums[i] + x0[i] * w0[i] + x1[i] * w1[i] + x2[i] * w2[i] + x3[i] * w3[i] +
                  x4[i] * w4[i] + x5[i] * w5[i] + x6[i] * w6[i] + x7[i] * w7[i] + x8[i] * w8[i];
}

static void add_3_floats(const uint8_t *const *taps, size_t at, const void *weights, size_t stride,
                         size_t count, void *restrict to) {
    float *sums = to;
    const float *x0 = (const float *)(const void *)taps[0] + at;
    const float *x1 = (const float *)(const void *)taps[1] + at;
    const float *x2 = (const float *)(const void *)taps[2] + at;
    const float *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride;
    for (size_t i = 0; i < count; i++)
        sums[i] = sums[i] + x0[i] * w0[i] + x1[i] * w1[i] + x2[i] * w2[i];
}

/* The taps of one output after the other. */
typedef struct {
    place_of_window at;
    const void *outside;
    size_t count;    /* with padding */
    int is_interior; /* all columns of the window are inside the image */
    const uint8_t *taps[MOST_TAPS];
} moving_taps;

/* Move to the next window, and point to its taps if they are few enough. */
static void move_taps(moving_taps *of) {
    const int was_interior = of->is_interior;
    move_window(&of->at);
    of->is_interior = has_all_columns(&of->at);
    if (of->count > MOST_TAPS) return;
    if (was_interior && of->is_interior && of->at.y_column > 0) {
        const size_t step = of->at.of->stride_w * of->at.pixel_bytes;
        for (size_t k = 0; k < of->count; k++)
            if (of->taps[k] != of->outside) of->taps[k] += step;
    } else {
        find_taps(&of->at, 0, of->count, of->outside, of->taps);
    }
}

static void first_taps(moving_taps *of, const window *windows, const void *image,
                       size_t value_bytes) {
    of->at = first_window(windows, image, value_bytes);
    of->is_interior = has_all_columns(&of->at);
    if (of->count <= MOST_TAPS) find_taps(&of->at, 0, of->count, of->outside, of->taps);
}

/* Write what each output of a block reads, if a channel has more than one. */
static void spread(const uint8_t *pixel, size_t value_bytes, size_t first, size_t count,
                   size_t multiplier, uint8_t *to) {
    size_t channel = first / multiplier, more = first % multiplier;
    for (size_t i = 0; i < count; i++) {
        memcpy(to + i * value_bytes, pixel + channel * value_bytes, value_bytes);
        if (++more == multiplier) more = 0, channel++;
    }
}

/* Add all taps of a block of outputs. Inputs and weights have `value_bytes` each. */
INLINE void add_taps(moving_taps *of, size_t value_bytes, const void *weights, size_t outputs,
                     size_t first, size_t width, void *sums, add_pass add_many, add_pass add_few) {
    const size_t multiplier = outputs / of->at.of->channels;
    float copies[MOST_PASS_TAPS][DEPTHWISE_BLOCK]; /* of int8 too */
    for (size_t done = 0; done < of->count; done += MOST_TAPS) {
        const size_t left = of->count - done, count = left < MOST_TAPS ? left : MOST_TAPS;
        if (of->count > MOST_TAPS) find_taps(&of->at, done, count, of->outside, of->taps);
        for (size_t k = 0, pass; k < count; k += pass) {
            const uint8_t *from = (const uint8_t *)weights;
            const uint8_t *const *taps = of->taps + k;
            const uint8_t *copied[MOST_PASS_TAPS];
            pass = count - k >= MOST_PASS_TAPS ? MOST_PASS_TAPS : PASS_TAPS;
            for (size_t i = 0; multiplier > 1 && i < pass; i++) {
                spread(taps[i], value_bytes, first, width, multiplier, (uint8_t *)copies[i]);
                copied[i] = (const uint8_t *)copies[i];
            }
            (pass == MOST_PASS_TAPS ? add_many : add_few)(
                multiplier > 1 ? copied : taps, multiplier > 1 ? 0 : first,
                from + ((done + k) * outputs + first) * value_bytes, outputs, width, sums);
        }
    }
}

static void int8_depthwise_conv_2d(const int8_depthwise *how, size_t samples, const uint8_t *x,
                                   uint8_t *y) {
    const window *of = &how->window;
    const int8_layer *layer = &how->layer;
    const size_t pixels = (size_t)of->y_height * of->y_width, outputs = layer->outputs;
    moving_taps taps;
    taps.outside = how->outside;
    taps.count = layer->inputs;
    for (size_t sample = 0; sample < samples; sample++) {
        first_taps(&taps, of, x, sizeof *x);
        for (size_t pixel = 0; pixel < pixels; pixel++, y += outputs) {
            for (size_t first = 0; first < outputs; first += DEPTHWISE_BLOCK) {
                const size_t left = outputs - first;
                const size_t width = left < DEPTHWISE_BLOCK ? left : DEPTHWISE_BLOCK;
                int32_t sums[DEPTHWISE_BLOCK];
                memcpy(sums, layer->bias + first, width * sizeof *sums);
                add_taps(&taps, sizeof *x, layer->weights, outputs, first, width, sums, add_9,
                         add_3);
                requantize(&layer->requantize, first, width, sums, y + first);
            }
            if (pixel + 1 < pixels) move_taps(&taps);
        }
        x += (size_t)of->height * of->width * of->channels;
    }
}

static void float_depthwise_conv_2d(const float_depthwise *how, size_t samples, const float *x,
                                    float *y) {
    const window *of = &how->window;
    const float_layer *layer = &how->layer;
    const size_t pixels = (size_t)of->y_height * of->y_width, outputs = layer->outputs;
    moving_taps taps;
    taps.outside = how->outside;
    taps.count = layer->inputs;
    for (size_t sample = 0; sample < samples; sample++) {
        first_taps(&taps, of, x, sizeof *x);
        for (size_t pixel = 0; pixel < pixels; pixel++, y += outputs) {
            memset(y, 0, outputs * sizeof *y);
            for (size_t first = 0; first < outputs; first += DEPTHWISE_BLOCK) {
                const size_t left = outputs - first;
                const size_t width = left < DEPTHWISE_BLOCK ? left : DEPTHWISE_BLOCK;
                add_taps(&taps, sizeof *x, layer->weights, outputs, first, width, y + first,
                         add_9_floats, add_3_floats);
            }
            for (size_t i = 0; i < outputs; i++) y[i] = y[i] + layer->bias[i];
            clamp(layer->low, layer->high, outputs, y, y);
            if (pixel + 1 < pixels) move_taps(&taps);
        }
        x += (size_t)of->height * of->width * of->channels;
    }
}

#endif
