/* A set of kernels: one function for each kind of work, all for one instruction set.
 *
 * Inside the engine an int8 number q is stored as u = q + 128, an unsigned byte. So the pixels of a
 * uint8 image are already what the first layer reads. */
#ifndef STROP_KERNELS_H
#define STROP_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "strop.h"

enum {
    PAD_OUTPUTS = 16,   /* outputs of an int8 layer whose weights lie side by side */
    TAIL_OUTPUTS = 4,   /* outputs left over that have a row of weights each, at most */
    TAIL_INPUTS = 64,   /* such a row is padded to a multiple of it */
    PANEL_OUTPUTS = 64, /* outputs whose accumulators are in registers together, at most */
    BLOCK_ROWS = 4,     /* rows that pass a panel together */
    GROUP_INPUTS = 4,   /* inputs that one dot-product instruction adds up */
    QUAD_OUTPUTS = 4,   /* outputs of a float layer are padded to a multiple of it */
    QUAD = QUAD_OUTPUTS * GROUP_INPUTS,
    COPY_BYTES = 32,     /* that are copied together, where a part of them is needed */
    DEPTHWISE_BLOCK = 64 /* outputs of a depthwise convolution whose sums are together, at most */
};

/* How accumulators become bytes. Arrays have one value for each output, padded with it. */
typedef struct {
    const float *scales;        /* rounding `float`, else NULL */
    const int32_t *multipliers; /* rounding `reference`: Q31 */
    const int32_t *shifts;      /* rounding `reference`: to the right, 0..31 */
    int32_t zero_point;         /* this and the bounds as stored: 0..255 */
    int32_t low;
    int32_t high;
} requantization;

/* An int8 layer. Weights are in panels of up to PANEL_OUTPUTS outputs. The first `width` of a
 * panel, a multiple of PAD_OUTPUTS, lie as [groups of inputs][width][GROUP_INPUTS]; a tail of few
 * outputs follows as [outputs][inputs], so that it is not padded. Padding is 0. */
typedef struct {
    size_t inputs;
    size_t outputs;
    const int8_t *weights;
    const int32_t *bias; /* with the zero point of the inputs folded in */
    requantization requantize;
} int8_layer;

/* A float layer. Weights are in panels of float_panel_quads() quads; in a panel they lie as
 * [groups of inputs][quads][QUAD_OUTPUTS][GROUP_INPUTS]. Padding is 0. */
typedef struct {
    size_t inputs;
    size_t outputs;
    const float *weights;
    const float *bias;
    float low; /* of the fused activation; infinite for none */
    float high;
    int is_finite; /* all weights are: then products with 0 can be left out */
} float_layer;

/* How windows lie over an image: x [height][width][channels] -> y [y_height][y_width][y_channels].
 * The window of an output begins at row y_row * stride_h - top, and at a column alike. */
typedef struct {
    uint32_t height, width, channels;
    uint32_t y_height, y_width, y_channels;
    uint32_t rows, columns; /* of a window: its taps */
    uint32_t stride_h, stride_w;
    uint32_t dilation_h, dilation_w; /* 1: taps lie side by side */
    uint32_t top, left;              /* rows and columns of padding */
} window;

/* A convolution: a layer over patches, the values of a window one after the other. */
typedef struct {
    window window;
    uint32_t pixels; /* outputs whose patches are gathered together */
    uint8_t outside; /* the zero point of x as stored */
    int8_layer layer;
} int8_convolution;

typedef struct {
    window window;
    uint32_t pixels;
    float_layer layer;
} float_convolution;

/* A depthwise convolution: the inputs of its layer are the taps. Weights lie as [taps][width] for
 * each block of depthwise_width() outputs. */
typedef struct {
    window window;
    const uint8_t *outside; /* a pixel of the zero point as stored */
    int8_layer layer;
} int8_depthwise;

typedef struct {
    window window;
    const float *outside; /* a pixel of 0 */
    float_layer layer;
} float_depthwise;

/* A pool, with the bounds of its fused activation. */
typedef struct {
    window window;
    int32_t low, high; /* as stored: 0..255 */
} int8_pool;

typedef struct {
    window window;
    float low, high;
} float_pool;

/* How float32 becomes int8 as stored. */
typedef struct {
    float scale;
    int32_t zero_point;
    int half_away; /* x / scale, ties away from zero; else x * (1 / scale), ties to even */
} quantization;

struct strop_kernels {
    const char *name;
    /* Sums are of (stored byte - 128 + input_offset) * weight: 128 where the instructions take
     * unsigned inputs, 0 where they take signed ones. The bias corrects for it. */
    int32_t input_offset;
    size_t float_quads; /* quads in a panel of a float layer, at most */

    /* x [rows][inputs] -> y [rows][outputs] */
    void (*int8_fully_connected)(const int8_layer *, size_t rows, const uint8_t *x, uint8_t *y);
    void (*float_fully_connected)(const float_layer *, size_t rows, const float *x, float *y);

    /* Over samples of images. `patches` has room for the windows of `pixels` outputs, and
     * COPY_BYTES more. */
    void (*int8_conv_2d)(const int8_convolution *, size_t samples, const uint8_t *x,
                         uint8_t *patches, uint8_t *y);
    void (*float_conv_2d)(const float_convolution *, size_t samples, const float *x, float *patches,
                          float *y);
    void (*int8_depthwise_conv_2d)(const int8_depthwise *, size_t samples, const uint8_t *x,
                                   uint8_t *y);
    void (*float_depthwise_conv_2d)(const float_depthwise *, size_t samples, const float *x,
                                    float *y);
    void (*int8_max_pool_2d)(const int8_pool *, size_t samples, const uint8_t *x, uint8_t *y);
    void (*float_max_pool_2d)(const float_pool *, size_t samples, const float *x, float *y);
    void (*int8_average_pool_2d)(const int8_pool *, size_t samples, const uint8_t *x, uint8_t *y);
    void (*float_average_pool_2d)(const float_pool *, size_t samples, const float *x, float *y);

    /* [count] -> [count]; y may be x where the types are equal */
    void (*quantize)(const quantization *, size_t count, const float *x, uint8_t *y);
    void (*dequantize)(float scale, int32_t zero_point, size_t count, const uint8_t *x, float *y);
    void (*clamp)(float low, float high, size_t count, const float *x, float *y);
    void (*sigmoid)(size_t count, const float *x, float *y);
    void (*tanh)(size_t count, const float *x, float *y);

    /* Over the last axis: [rows][width] -> [rows][width] */
    void (*softmax)(float beta, size_t rows, size_t width, const float *x, float *y);

    /* x [rows][width] with other [width], or with other [1] where `width` is 1 */
    void (*add)(size_t rows, size_t width, const float *x, const float *other, float *y);
    void (*sub)(size_t rows, size_t width, const float *x, const float *other, float *y);
    void (*mul)(size_t rows, size_t width, const float *x, const float *other, float *y);
};

extern const strop_kernels strop_plain_kernels;
extern const strop_kernels strop_avx2_kernels;
extern const strop_kernels strop_avxvnni_kernels;
extern const strop_kernels strop_avx512vnni_kernels;
extern const strop_kernels strop_neon_kernels;
extern const strop_kernels strop_dotprod_kernels;
extern const strop_kernels strop_simd128_kernels;

static inline size_t round_up(size_t value, size_t step) {
    return (value + step - 1) / step * step;
}

/* Tell how many outputs lie side by side in a panel of `used`, with padding. A tail is worth it
 * where rows are long: weights that nobody needs would take room in the cache. */
static inline size_t panel_width(size_t used, size_t inputs) {
    const size_t tail = used % PAD_OUTPUTS;
    const int has_tail = inputs > TAIL_INPUTS && tail <= TAIL_OUTPUTS;
    return has_tail ? used - tail : round_up(used, PAD_OUTPUTS);
}

/* Tell how many of the outputs that are left make a block of a depthwise convolution. */
static inline size_t depthwise_width(size_t left) {
    for (size_t width = DEPTHWISE_BLOCK; width >= 8; width /= 2)
        if (left >= width) return width;
    return left;
}

/* Quads in a panel of a float layer: all panels but the last have as many. */
static inline size_t float_panel_quads(size_t outputs, size_t most) {
    const size_t quads = (outputs + QUAD_OUTPUTS - 1) / QUAD_OUTPUTS;
    const size_t panels = (quads + most - 1) / most;
    return (quads + panels - 1) / panels;
}

#endif
