/* Random convolutions and pools over images. */
#ifndef STROP_TEST_WINDOW_STEPS_H
#define STROP_TEST_WINDOW_STEPS_H

#include "shapes.h"

enum { MOST_IMAGE = 3000, MOST_OUTPUTS = 150 }; /* values of an image, outputs of a convolution */

/* How windows lie along one axis of x. */
typedef struct {
    uint32_t size, stride, dilation, padding, count;
} axis_windows;

static inline axis_windows random_windows(uint32_t x_size, int is_pool) {
    axis_windows of;
    of.size = (uint32_t)(next_random() % 3 ? random_int(1, 3) : random_int(1, 7));
    of.stride = (uint32_t)(next_random() & 1 ? 1 : random_int(1, 4));
    of.dilation = (uint32_t)(is_pool || next_random() % 4 ? 1 : random_int(1, 3));
    of.padding = (uint32_t)random_int(0, (int32_t)(is_pool ? of.size - 1 : of.size + 1));
    /* Those that begin inside; a convolution may have some that are all outside. */
    const uint32_t most = (x_size + of.padding - 1) / of.stride + 1;
    of.count = (uint32_t)random_int(1, (int32_t)most + (is_pool ? 0 : 2));
    if (next_random() & 1) of.count = most;
    return of;
}

static inline void write_windows(plan_writer *to, const axis_windows *of, int is_pool) {
    for (uint32_t i = 0; i < 2; i++) {
        write_parameter(to, i, of[i].stride);
        write_parameter(to, 2 + i, is_pool ? 0 : of[i].dilation);
        write_parameter(to, 4 + i, of[i].padding);
        if (is_pool) write_parameter(to, 6 + i, of[i].size);
    }
}

/* Add the weights of a convolution, `inputs` for each output, and write the number of its bias. */
static inline uint32_t write_weights(plan_writer *to, const shaped *shape, uint32_t inputs,
                                     float factor, uint32_t *bias) {
    const uint32_t outputs = shape->dims[0], values = values_of(shape);
    const int extreme = next_random() % 8 == 0, has_bias = next_random() % 4 != 0;
    float scales[MOST_OUTPUTS];
    if (factor == 0.0f) { /* float32 */
        for (uint32_t i = 0; i < values; i++)
            network_floats[i] = extreme ? random_edge() : random_float(-0.3f, 0.3f);
        *bias = has_bias ? write_tensor(to, STROP_FLOAT32, outputs, 0, 0, 0, network_floats) : NONE;
        return write_shaped(to, STROP_FLOAT32, shape->rank, shape->dims, 0, 0, network_floats);
    }
    for (uint32_t i = 0; i < values; i++)
        network_weights[i] =
            (int8_t)(extreme ? (next_random() & 1 ? 127 : -127) : random_int(-127, 127));
    for (uint32_t i = 0; i < outputs; i++) {
        network_bias[i] = random_int(-20000, 20000);
        scales[i] = random_float(0.2f, 0.9f) * factor / (float)inputs;
    }
    const uint32_t weights =
        write_shaped(to, STROP_INT8, shape->rank, shape->dims, scales[0], 0, network_weights);
    if (next_random() & 1) {
        put_float(to->tensor[weights] + 32, 0);
        write_scales(to, weights, scales, outputs);
    }
    *bias = has_bias ? write_tensor(to, STROP_INT32, outputs, 0, 0, 0, network_bias) : NONE;
    return weights;
}

/* Add a convolution, and give its output. It is left out where it would be too large. */
static inline void write_conv_step(plan_writer *to, shaped *x) {
    const int is_depthwise = next_random() & 1;
    axis_windows of[2];
    for (uint32_t i = 0; i < 2; i++) of[i] = random_windows(x->dims[i], 0);
    const uint32_t channels = x->dims[2], taps = of[0].size * of[1].size;
    const uint32_t inputs = is_depthwise ? taps : taps * channels;
    const uint32_t outputs =
        is_depthwise ? channels * (next_random() % 4 ? 1 : 1 + next_random() % 3)
                     : (uint32_t)(next_random() & 1 ? random_int(1, 20) : random_int(1, 90));
    shaped shape = {0, 4, {outputs, of[0].size, of[1].size, channels}};
    shaped y = {0, 3, {of[0].count, of[1].count, outputs}};
    if (is_depthwise) shape.rank = 3, shape.dims[3] = 0;
    if (outputs > MOST_OUTPUTS || outputs * inputs > MOST_VALUES * 150) return;
    if (values_of(&y) > MOST_IMAGE) return;
    const float scale = scale_of(to, x->number), y_scale = random_float(0.02f, 0.3f);
    uint32_t bias;
    const uint32_t weights =
        write_weights(to, &shape, inputs, scale == 0.0f ? 0.0f : y_scale / scale, &bias);
    y.number = scale == 0.0f
                   ? write_shaped(to, STROP_FLOAT32, 3, y.dims, 0, 0, NULL)
                   : write_shaped(to, STROP_INT8, 3, y.dims, y_scale, random_int(-128, 127), NULL);
    write_step(to, is_depthwise ? OP_DEPTHWISE_CONV_2D : OP_CONV_2D, x->number, weights, bias,
               y.number, next_random() % 3, 0);
    write_windows(to, of, 0);
    *x = y;
}

static inline void write_pool_step(plan_writer *to, shaped *x) {
    axis_windows of[2];
    for (uint32_t i = 0; i < 2; i++) of[i] = random_windows(x->dims[i], 1);
    shaped y = {0, 3, {of[0].count, of[1].count, x->dims[2]}};
    if (values_of(&y) > MOST_IMAGE) return;
    y.number = write_alike(to, x->number, &y, NULL);
    const uint32_t op = next_random() & 1 ? OP_MAX_POOL_2D : OP_AVERAGE_POOL_2D;
    write_step(to, op, x->number, NONE, NONE, y.number, next_random() % 3, 0);
    write_windows(to, of, 1);
    *x = y;
}

/* Add an image, and up to 4 convolutions and pools over it. The last is an output. */
static inline void write_image_steps(plan_writer *to) {
    const uint32_t channels =
        (uint32_t)(next_random() % 3 ? random_int(1, 20) : random_int(1, 100));
    const uint32_t most = channels > 20 ? 5 : 12;
    /* One number a statement: compilers differ in the order of arguments. */
    const uint32_t height = (uint32_t)random_int(1, (int32_t)most);
    const uint32_t width = (uint32_t)random_int(1, (int32_t)most);
    const int is_int8 = next_random() % 3 != 0;
    const float scale = random_float(0.005f, 0.1f);
    shaped x = {0, 3, {height, width, channels}};
    x.number = is_int8 ? write_shaped(to, STROP_INT8, 3, x.dims, scale, random_int(-128, 127), NULL)
                       : write_shaped(to, STROP_FLOAT32, 3, x.dims, 0, 0, NULL);
    write_border(to, 0, x.number);
    const uint32_t image = x.number;
    for (int steps = random_int(1, 4); steps > 0; steps--) {
        const uint32_t before = x.number;
        if (next_random() % 3)
            write_conv_step(to, &x);
        else
            write_pool_step(to, &x);
        if (x.number != before && steps > 1 && next_random() % 4 == 0)
            write_border(to, 1, x.number);
    }
    if (x.number == image) { /* all were too large */
        const shaped same = x;
        x.number = write_alike(to, image, &same, NULL);
        write_step(to, OP_RESHAPE, image, NONE, NONE, x.number, 0, 0);
    }
    static const uint8_t named[4] = {0xFF, 0xFF, 0xFF, 0xFF};
    if (memcmp(to->tensor[x.number] + 48, named, sizeof named) == 0) write_border(to, 1, x.number);
}

#endif
