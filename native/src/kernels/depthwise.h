/* Depthwise convolutions, straight from the image. Sums of a block of channels stay in registers
 * while all taps pass. */
#ifndef STROP_DEPTHWISE_H
#define STROP_DEPTHWISE_H

#include <string.h>

#include "../unroll.h"
#include "activations.h"
#include "requantize.h"
#include "taps.h"

enum { SPREAD_TAPS = 8 }; /* that are copied together, if a channel has several outputs */

/* Add the products of some taps to the sums of a block of `width` outputs. */
typedef void (*add_block)(const uint8_t *const *taps, size_t count, size_t at, const void *weights,
                          size_t width, void *sums);

#if defined(__SSE2__) || defined(__ARM_NEON) || defined(__wasm_simd128__)
/* Vectors of 16 and of 8 values, which are one or more registers of each of these. */
#define ADD_INT8_VECTORS(name, LANES_OF)                                                         \
    INLINE void name(const uint8_t *const *taps, size_t count, size_t at, const int8_t *weights, \
                     int32_t *sums, size_t vectors) {                                            \
        typedef uint8_t u8_vector __attribute__((vector_size(LANES_OF)));                        \
        typedef int8_t s8_vector __attribute__((vector_size(LANES_OF)));                         \
        typedef int32_t s32_vector __attribute__((vector_size(LANES_OF * 4)));                   \
        s32_vector sum[DEPTHWISE_BLOCK / LANES_OF];                                              \
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)                                             \
            memcpy(&sum[i], sums + i * LANES_OF, sizeof *sum);                                   \
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
                          size_t width, void *to) {
    const int8_t *weights = from;
    int32_t *sums = to;
    switch (width) {
#if defined(HAS_INT8_VECTORS)
        case 64: add_int8_16(taps, count, at, weights, sums, 4); return;
        case 32: add_int8_16(taps, count, at, weights, sums, 2); return;
        case 16: add_int8_16(taps, count, at, weights, sums, 1); return;
        case 8: add_int8_8(taps, count, at, weights, sums, 1); return;
#endif
        default:
            for (size_t k = 0; k < count; k++, weights += width)
                for (size_t i = 0; i < width; i++) sums[i] += taps[k][at + i] * weights[i];
    }
}

INLINE void add_float_vectors(const uint8_t *const *taps, size_t count, size_t at,
                              const float *weights, float *sums, size_t vectors) {
    lanes sum[DEPTHWISE_BLOCK / LANES];
    FOR_UNROLLED(size_t i = 0; i < vectors; i++) memcpy(&sum[i], sums + i * LANES, sizeof *sum);
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
                           size_t width, void *to) {
    const float *weights = from;
    float *sums = to;
    switch (LANES > 1 ? width : 0) {
        case 64: add_float_vectors(taps, count, at, weights, sums, 64 / LANES); return;
        case 32: add_float_vectors(taps, count, at, weights, sums, 32 / LANES); return;
        case 16: add_float_vectors(taps, count, at, weights, sums, 16 / LANES); return;
        default:
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
static void add_spread_taps(const uint8_t *const *taps, size_t count, size_t value_bytes,
                            size_t first, size_t width, size_t multiplier, const uint8_t *weights,
                            void *sums, add_block add) {
    float copies[SPREAD_TAPS][DEPTHWISE_BLOCK]; /* of int8 too */
    const uint8_t *copied[SPREAD_TAPS];
    for (size_t i = 0; i < SPREAD_TAPS; i++) copied[i] = (const uint8_t *)copies[i];
    for (size_t done = 0, few; done < count; done += few) {
        few = count - done < SPREAD_TAPS ? count - done : SPREAD_TAPS;
        for (size_t i = 0; i < few; i++)
            spread(taps[done + i], value_bytes, first, width, multiplier, (uint8_t *)copies[i]);
        add(copied, few, 0, weights + done * width * value_bytes, width, sums);
    }
}

/* Add all taps of a block of outputs. Inputs and weights have `value_bytes` each. */
INLINE void add_all_taps(moving_taps *of, size_t value_bytes, const void *weights, size_t outputs,
                         size_t first, size_t width, void *sums, add_block add) {
    const size_t channels = of->at.of->channels;
    const uint8_t *weight = (const uint8_t *)weights + first * of->count * value_bytes;
    for (size_t done = 0; done < of->count; done += MOST_TAPS) {
        const size_t left = of->count - done, count = left < MOST_TAPS ? left : MOST_TAPS;
        if (of->count > MOST_TAPS) find_taps(&of->at, done, count, of->outside, of->taps);
        if (outputs == channels)
            add(of->taps, count, first, weight, width, sums);
        else
            add_spread_taps(of->taps, count, value_bytes, first, width, outputs / channels, weight,
                            sums, add);
        weight += count * width * value_bytes;
    }
}

static void int8_depthwise_conv_2d(const int8_depthwise *how, size_t samples, const uint8_t *x,
                                   uint8_t *y) {
    const window *of = &how->window;
    const int8_layer *layer = &how->layer;
    const size_t pixels = (size_t)of->y_height * of->y_width, outputs = layer->outputs;
    moving_taps taps = {.count = layer->inputs, .outside = how->outside};
    for (size_t sample = 0; sample < samples; sample++) {
        first_taps(&taps, of, x, sizeof *x);
        for (size_t pixel = 0; pixel < pixels; pixel++, y += outputs) {
            for (size_t first = 0, width; first < outputs; first += width) {
                int32_t sums[DEPTHWISE_BLOCK];
                width = depthwise_width(outputs - first);
                memcpy(sums, layer->bias + first, width * sizeof *sums);
                add_all_taps(&taps, sizeof *x, layer->weights, outputs, first, width, sums,
                             add_int8_taps);
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
    moving_taps taps = {.count = layer->inputs, .outside = how->outside};
    for (size_t sample = 0; sample < samples; sample++) {
        first_taps(&taps, of, x, sizeof *x);
        for (size_t pixel = 0; pixel < pixels; pixel++, y += outputs) {
            memset(y, 0, outputs * sizeof *y);
            for (size_t first = 0, width; first < outputs; first += width) {
                width = depthwise_width(outputs - first);
                add_all_taps(&taps, sizeof *x, layer->weights, outputs, first, width, y + first,
                             add_float_taps);
            }
            for (size_t i = 0; i < outputs; i++) y[i] = y[i] + layer->bias[i];
            clamp(layer->low, layer->high, outputs, y, y);
            if (pixel + 1 < pixels) move_taps(&taps);
        }
        x += (size_t)of->height * of->width * of->channels;
    }
}

#endif
