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
    PAD_OUTPUTS = 16,   /* the outputs of a layer are padded to a multiple of it */
    PANEL_OUTPUTS = 64, /* outputs whose accumulators are in registers together, at most */
    BLOCK_ROWS = 4,     /* rows that share a load of weights */
    GROUP_INPUTS = 4    /* inputs that one dot-product instruction adds up */
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

/* An int8 layer. Weights are in panels of up to PANEL_OUTPUTS outputs; in a panel of `width`
 * outputs they lie as [groups of inputs][width][GROUP_INPUTS]. Padding is 0. */
typedef struct {
    size_t inputs;
    size_t outputs;
    const int8_t *weights;
    const int32_t *bias; /* with the zero point of the inputs folded in */
    requantization requantize;
} int8_layer;

/* A float layer. Weights are in panels of PAD_OUTPUTS outputs, as [inputs][PAD_OUTPUTS]. */
typedef struct {
    size_t inputs;
    size_t outputs;
    const float *weights;
    const float *bias;
    float low; /* of the fused activation; infinite for none */
    float high;
    int is_finite; /* all weights are: then products with 0 can be left out */
} float_layer;

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

    /* x [rows][inputs] -> y [rows][outputs] */
    void (*int8_fully_connected)(const int8_layer *, size_t rows, const uint8_t *x, uint8_t *y);
    void (*float_fully_connected)(const float_layer *, size_t rows, const float *x, float *y);

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

#endif
