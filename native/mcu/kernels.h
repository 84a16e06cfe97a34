/* The kernels of generated models: plain C99 without a heap, libm or tables of functions, so that
 * the linker drops those that a model does not call.
 *
 * Values lie as in TensorFlow: int8 from -128 to 127, images as (height, width, channels). All
 * numbers in the structures are constants of a model, and stay in flash. */
#ifndef STROP_KERNELS_H
#define STROP_KERNELS_H

#include <stdint.h>

#define STROP_INFINITY __builtin_inff()
#define STROP_NAN __builtin_nanf("")

/* How the sums of an int8 step become int8: times a factor, plus the zero point, clamped. */
typedef struct {
    const int32_t *multipliers; /* of each output, or of all; times 2^-31 */
    const int8_t *shifts;       /* and this much to the right: 0..31 */
    uint8_t per_output;         /* 1: there is one for each output; 0: one for all */
    int8_t zero_point, low, high;
} strop_requantization;

/* An int8 layer. */
typedef struct {
    const int8_t *weights; /* row-major: an output is a row */
    const int32_t *bias;   /* as each kernel says */
    int8_t x_zero_point;
    strop_requantization requantize;
} strop_int8_layer;

/* A float layer; `low` and `high` are those of its activation. */
typedef struct {
    const float *weights;
    const float *bias;
    float low, high;
} strop_float_layer;

/* How windows lie over an image. */
typedef struct {
    int32_t height, width, channels;             /* of x */
    int32_t out_height, out_width, out_channels; /* of y */
    int32_t kernel_height, kernel_width;
    uint8_t stride_height, stride_width;
    uint8_t dilation_height, dilation_width;
    uint8_t padding_top, padding_left;
} strop_window;

/* A factor: times 2^-31, and `shift` to the right. */
typedef struct {
    int32_t multiplier;
    int8_t shift;
} strop_factor;

/* x times w, or x plus or minus w, of int8. The factors of x and w are those of sums alone. */
typedef struct {
    int8_t x_zero_point, w_zero_point;
    strop_factor x, w;
    strop_requantization requantize;
} strop_pair;

/* An axis of a copy: how many, and the bytes from one to the next. */
typedef struct {
    int32_t size, x_step, y_step;
} strop_axis;

/* int8 layers. The bias of the first two is bias - x_zero_point * (the sum of the output's
 * weights). Weights: (outputs, inputs); (out, kh, kw, in); (out, kh, kw), where channel o of y
 * reads channel o / (out / in) of x. */
void strop_fully_connected_int8(const strop_int8_layer *layer, int32_t rows, int32_t inputs,
                                int32_t outputs, const int8_t *x, int8_t *y);
void strop_conv_2d_int8(const strop_int8_layer *layer, const strop_window *window, const int8_t *x,
                        int8_t *y);
void strop_depthwise_conv_2d_int8(const strop_int8_layer *layer, const strop_window *window,
                                  const int8_t *x, int8_t *y);

/* Float layers, with the weights of the int8 ones. */
void strop_fully_connected_float(const strop_float_layer *layer, int32_t rows, int32_t inputs,
                                 int32_t outputs, const float *x, float *y);
void strop_conv_2d_float(const strop_float_layer *layer, const strop_window *window, const float *x,
                         float *y);
void strop_depthwise_conv_2d_float(const strop_float_layer *layer, const strop_window *window,
                                   const float *x, float *y);

/* Pools: each window covers a value of x, and kernels have no dilation. The activation of float
 * ones is a strop_clamp. */
void strop_max_pool_2d_int8(const strop_window *window, int8_t low, int8_t high, const int8_t *x,
                            int8_t *y);
void strop_average_pool_2d_int8(const strop_window *window, int8_t low, int8_t high,
                                const int8_t *x, int8_t *y);
void strop_max_pool_2d_float(const strop_window *window, const float *x, float *y);
void strop_average_pool_2d_float(const strop_window *window, const float *x, float *y);

/* x [outer][count][inner] -> y [outer][inner]. `offset` is count times the zero point of x. */
void strop_mean_int8(const strop_requantization *how, int32_t offset, int32_t outer, int32_t count,
                     int32_t inner, const int8_t *x, int8_t *y);
void strop_mean_float(int32_t outer, int32_t count, int32_t inner, const float *x, float *y);

/* From and to int8. y may be x. */
void strop_quantize(float scale, int32_t zero_point, int32_t count, const float *x, int8_t *y);
void strop_dequantize_int8(float scale, int32_t zero_point, int32_t count, const int8_t *x,
                           float *y);
void strop_dequantize_uint8(float scale, int32_t zero_point, int32_t count, const uint8_t *x,
                            float *y);
/* x + offset, clamped. y may be x. */
void strop_shift_int8(int32_t offset, int32_t count, const int8_t *x, int8_t *y);
void strop_shift_uint8(int32_t offset, int32_t count, const uint8_t *x, int8_t *y);
/* The table has a value for each byte of x, as an unsigned number. y may be x. */
void strop_lookup(const int8_t *table, int32_t count, const uint8_t *x, int8_t *y);

/* x [rows][width] with w [width]. y may be x; where there is one row, it may be w. */
void strop_mul_int8(const strop_pair *pair, int32_t rows, int32_t width, const int8_t *x,
                    const int8_t *w, int8_t *y);
void strop_add_int8(const strop_pair *pair, int32_t rows, int32_t width, const int8_t *x,
                    const int8_t *w, int8_t *y);
void strop_sub_int8(const strop_pair *pair, int32_t rows, int32_t width, const int8_t *x,
                    const int8_t *w, int8_t *y);
void strop_mul_float(int32_t rows, int32_t width, const float *x, const float *w, float *y);
void strop_add_float(int32_t rows, int32_t width, const float *x, const float *w, float *y);
void strop_sub_float(int32_t rows, int32_t width, const float *x, const float *w, float *y);

/* Activations of floats. y may be x. */
void strop_clamp(float low, float high, int32_t count, const float *x, float *y);
void strop_sigmoid(int32_t count, const float *x, float *y);
void strop_tanh(int32_t count, const float *x, float *y);
void strop_softmax(float beta, int32_t rows, int32_t width, const float *x, float *y);

/* Copy `bytes` at a time, over all positions of up to 6 axes, the last fastest. */
void strop_copy(const strop_axis *axes, int32_t rank, int32_t bytes, const void *x, void *y);
void strop_fill(uint8_t value, int32_t bytes, void *y);

#endif
