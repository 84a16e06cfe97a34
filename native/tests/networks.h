/* Random networks: of int8 layers, of float layers, and of every operator of vectors. */
#ifndef STROP_TEST_NETWORKS_H
#define STROP_TEST_NETWORKS_H

#include "shapes.h"
#include "window_steps.h"

/* Add an int8 layer over `x`. Its accumulators spread over the whole int8 range and beyond. */
static inline uint32_t write_int8_layer(plan_writer *to, uint32_t x, uint32_t inputs,
                                        uint32_t outputs) {
    float scales[150];
    const int extreme = next_random() % 8 == 0;
    const float scale_out = random_float(0.02f, 0.3f), x_scale = scale_of(to, x);
    for (uint32_t i = 0; i < inputs * outputs; i++)
        network_weights[i] =
            (int8_t)(extreme ? (next_random() & 1 ? 127 : -127) : random_int(-127, 127));
    for (uint32_t i = 0; i < outputs; i++) {
        network_bias[i] = random_int(-100000, 100000);
        scales[i] = random_float(0.2f, 0.9f) * scale_out / x_scale / (float)inputs;
        if (next_random() % 16 == 0) scales[i] *= 1e-9f; /* a shift of more than 31 */
    }
    const uint32_t weights = write_tensor(to, STROP_INT8, outputs, inputs, 0, 0, network_weights);
    if (next_random() & 1)
        write_scales(to, weights, scales, outputs);
    else
        put_float(to->tensor[weights] + 32, scales[0]);
    const uint32_t bias =
        next_random() % 4 ? write_tensor(to, STROP_INT32, outputs, 0, 0, 0, network_bias) : NONE;
    const uint32_t y =
        write_tensor(to, STROP_INT8, outputs, 0, scale_out, random_int(-128, 127), NULL);
    write_step(to, OP_FULLY_CONNECTED, x, weights, bias, y, next_random() % 3, 0);
    return y;
}

static inline uint32_t write_float_layer(plan_writer *to, uint32_t x, uint32_t inputs,
                                         uint32_t outputs) {
    for (uint32_t i = 0; i < inputs * outputs; i++) network_floats[i] = random_float(-0.3f, 0.3f);
    const uint32_t weights = write_tensor(to, STROP_FLOAT32, outputs, inputs, 0, 0, network_floats);
    const uint32_t bias = next_random() % 4
                              ? write_tensor(to, STROP_FLOAT32, outputs, 0, 0, 0, network_floats)
                              : NONE;
    const uint32_t y = write_tensor(to, STROP_FLOAT32, outputs, 0, 0, 0, NULL);
    write_step(to, OP_FULLY_CONNECTED, x, weights, bias, y, next_random() % 3, 0);
    return y;
}

/* Choose a second operand of `width` values or a part of them: a constant, the tensor `earlier`, or
 * a new input. */
static inline uint32_t write_operand(plan_writer *to, uint32_t earlier, uint32_t width) {
    uint32_t values = width;
    switch (next_random() % 5) {
        case 0: return earlier;
        case 1: {
            const uint32_t given = write_tensor(to, STROP_FLOAT32, width, 0, 0, 0, NULL);
            write_border(to, 0, given);
            return given;
        }
        case 2: values = 1; break;
        case 3: values = width % 2 ? width : width / 2; break;
        default: break;
    }
    for (uint32_t i = 0; i < values; i++) network_floats[i] = random_edge();
    return write_tensor(to, STROP_FLOAT32, values, 0, 0, 0, network_floats);
}

/* Choose a second operand of int8, like write_operand. A constant or input has a scale of about
 * that of `x`. */
static inline uint32_t write_int8_operand(plan_writer *to, uint32_t x, uint32_t earlier,
                                          uint32_t width) {
    const uint32_t choice = next_random() % 5;
    const uint32_t values = choice == 2 ? 1 : choice == 3 && width % 2 == 0 ? width / 2 : width;
    const float scale = scale_of(to, x) * random_float(0.1f, 4.0f);
    const int32_t zero_point = random_int(-128, 127);
    if (choice == 0) return earlier;
    if (choice == 1) {
        const uint32_t given = write_tensor(to, STROP_INT8, width, 0, scale, zero_point, NULL);
        write_border(to, 0, given);
        return given;
    }
    for (uint32_t i = 0; i < values; i++) network_weights[i] = (int8_t)random_int(-128, 127);
    return write_tensor(to, STROP_INT8, values, 0, scale, zero_point, network_weights);
}

/* Add a mul, add or sub of int8 over `x`, if the scales of x and `earlier` are near each other. */
static inline uint32_t write_int8_pair(plan_writer *to, uint32_t x, uint32_t earlier,
                                       uint32_t width) {
    const uint32_t op = (uint32_t)random_int(OP_MUL, OP_SUB);
    const uint32_t other = write_int8_operand(to, x, earlier, width);
    const float first = scale_of(to, x), second = scale_of(to, other);
    const float larger = first > second ? first : second;
    const float smaller = first > second ? second : first;
    float scale = larger * random_float(0.05f, 4.0f);
    if (op == OP_MUL) scale = first * second / random_float(0.001f, 0.9f);
    if (op != OP_MUL && smaller < larger / 200.0f) return x;
    const uint32_t y = write_tensor(to, STROP_INT8, width, 0, scale, random_int(-128, 127), NULL);
    write_step(to, op, x, other, NONE, y, next_random() % 3, 0);
    return y;
}

static inline uint32_t write_lookup(plan_writer *to, uint32_t x, uint32_t width) {
    for (uint32_t i = 0; i < 256; i++) network_weights[i] = (int8_t)random_int(-128, 127);
    const uint32_t table = write_tensor(to, STROP_INT8, 256, 0, 0, 0, network_weights);
    const uint32_t y = write_tensor(to, STROP_INT8, width, 0, scale_of(to, x), 3, NULL);
    write_step(to, OP_LOOKUP, x, table, NONE, y, 0, 0);
    return y;
}

/* Add one step of float32 over `x`, of `width` values as `earlier` has. */
static inline uint32_t write_float_step(plan_writer *to, uint32_t x, uint32_t earlier,
                                        uint32_t width) {
    const uint32_t op = (uint32_t)random_int(OP_RELU, OP_SUB);
    const uint32_t y = write_tensor(to, STROP_FLOAT32, width, 0, 0, 0, NULL);
    const uint32_t second = is_pairwise(op) ? write_operand(to, earlier, width) : NONE;
    write_step(to, op, x, second, NONE, y, second == NONE ? 0 : next_random() % 3,
               op == OP_SOFTMAX ? random_float(0.1f, 2.0f) : 0);
    return y;
}

/* Choose another input of a concatenation: x again, a new input, or a constant. */
static inline uint32_t write_part(plan_writer *to, const shaped *x, uint32_t axis, uint32_t *size) {
    const uint32_t choice = next_random() % 4;
    shaped part = *x;
    *size = x->dims[axis];
    if (choice == 0) return x->number;
    part.dims[axis] = *size = (uint32_t)random_int(1, (int32_t)*size);
    if (choice == 1) {
        const uint32_t given = write_alike(to, x->number, &part, NULL);
        write_border(to, 0, given);
        return given;
    }
    const int is_float32 = scale_of(to, x->number) == 0.0f;
    for (uint32_t i = 0; i < values_of(&part); i++) {
        network_floats[i] = random_edge();
        network_weights[i] = (int8_t)random_int(-128, 127);
    }
    return write_alike(to, x->number, &part,
                       is_float32 ? (const void *)network_floats : network_weights);
}

static inline void write_concatenate(plan_writer *to, const shaped *x, shaped *y) {
    const uint32_t axis = next_random() % x->rank;
    uint32_t parts[] = {NONE, NONE};
    for (size_t i = 0; i < 1 + next_random() % 2; i++) {
        uint32_t size;
        parts[i] = write_part(to, x, axis, &size);
        y->dims[axis] += size;
    }
    y->number = write_alike(to, x->number, y, NULL);
    write_step(to, OP_CONCATENATE, x->number, parts[0], parts[1], y->number, 0, 0);
    write_parameter(to, 0, axis);
}

static inline void write_pad(plan_writer *to, const shaped *x, shaped *y) {
    uint32_t before[STROP_MAX_RANK] = {0};
    for (uint32_t i = 0; i < x->rank; i++) {
        const uint32_t more = next_random() % 5;
        if (values_of(y) / y->dims[i] * (y->dims[i] + more) > MOST_VALUES) continue;
        before[i] = next_random() % (more + 1);
        y->dims[i] += more;
    }
    y->number = write_alike(to, x->number, y, NULL);
    write_step(to, OP_PAD, x->number, NONE, NONE, y->number, 0, 0);
    for (uint32_t i = 0; i < x->rank; i++) write_parameter(to, i, before[i]);
}

static inline void write_transpose(plan_writer *to, const shaped *x, shaped *y) {
    uint32_t axes[STROP_MAX_RANK];
    for (uint32_t i = 0; i < x->rank; i++) axes[i] = i;
    for (uint32_t i = x->rank; i > 1; i--) {
        const uint32_t other = next_random() % i, kept = axes[other];
        axes[other] = axes[i - 1];
        axes[i - 1] = kept;
    }
    for (uint32_t i = 0; i < x->rank; i++) y->dims[i] = x->dims[axes[i]];
    y->number = write_alike(to, x->number, y, NULL);
    write_step(to, OP_TRANSPOSE, x->number, NONE, NONE, y->number, 0, 0);
    for (uint32_t i = 0; i < x->rank; i++) write_parameter(to, i, axes[i]);
}

static inline void write_mean(plan_writer *to, const shaped *x, shaped *y) {
    const uint32_t first = next_random() % x->rank;
    const uint32_t count = 1 + next_random() % (x->rank - first);
    const int is_kept = next_random() & 1;
    uint32_t values = 1;
    float scale = scale_of(to, x->number);
    y->rank = 0;
    for (uint32_t i = 0; i < x->rank; i++) {
        const int is_averaged = i >= first && i < first + count;
        if (is_averaged) values *= x->dims[i];
        if (!is_averaged || is_kept) y->dims[y->rank++] = is_averaged ? 1 : x->dims[i];
    }
    if (scale == 0.0f) {
        y->number = write_alike(to, x->number, y, NULL);
    } else {
        scale /= random_float(0.01f, 0.99f);
        for (; values > 1; values /= 2) /* finer, as far as the sums are */
            if (next_random() & 1) scale /= 2.0f;
        y->number =
            write_shaped(to, STROP_INT8, y->rank, y->dims, scale, random_int(-128, 127), NULL);
    }
    write_step(to, OP_MEAN, x->number, NONE, NONE, y->number, 0, 0);
    write_parameter(to, 0, first);
    write_parameter(to, 1, count);
}

/* Add steps that move or average the values of a vector, and return one of MOST_VALUES or less. */
static inline uint32_t write_moves(plan_writer *to, uint32_t x, uint32_t *width) {
    shaped now = {x, 1, {*width}};
    for (int steps = random_int(1, 3); steps > 0; steps--) {
        write_reshape(to, &now, (uint32_t)random_int(1, STROP_MAX_RANK));
        shaped next = now;
        const int has_room = values_of(&now) <= MOST_VALUES / 3; /* for three parts */
        switch (next_random() % 4) {
            case 0: (has_room ? write_concatenate : write_transpose)(to, &now, &next); break;
            case 1: write_pad(to, &now, &next); break;
            case 2: write_transpose(to, &now, &next); break;
            default: write_mean(to, &now, &next);
        }
        now = next;
        if (next_random() % 8 == 0) write_border(to, 1, now.number);
    }
    write_reshape(to, &now, 1); /* no output yet */
    *width = now.dims[0];
    return now.number;
}

/* Write a network: an input of any type, int8 layers, float layers and steps; often an image with
 * convolutions and pools beside them. The last tensors and some on the way are outputs. */
static inline void write_network(plan_writer *to) {
    const uint32_t dtype = next_random() % 3; /* of the input */
    uint32_t width = (uint32_t)random_int(1, MOST_VALUES);
    const float scale = random_float(0.001f, 0.1f);
    const int32_t zero_point = dtype == STROP_UINT8 ? random_int(0, 255) : random_int(-128, 127);
    memset(to, 0, sizeof *to);
    to->rounding = next_random() & 1;
    uint32_t x = write_tensor(to, dtype, width, 0, dtype == STROP_FLOAT32 ? 0 : scale,
                              dtype == STROP_FLOAT32 ? 0 : zero_point, NULL);
    write_border(to, 0, x);
    if (dtype == STROP_UINT8 && next_random() & 1) {
        const uint32_t y = write_tensor(to, STROP_FLOAT32, width, 0, 0, 0, NULL);
        write_step(to, OP_DEQUANTIZE, x, NONE, NONE, y, 0, 0);
        x = y;
    } else if (dtype != STROP_FLOAT32 || next_random() & 1) {
        const int32_t shifted =
            next_random() & 1 && dtype == STROP_UINT8 ? zero_point - 128 : random_int(-128, 127);
        uint32_t y = write_tensor(to, STROP_INT8, width, 0, scale, shifted, NULL);
        write_step(to, OP_QUANTIZE, x, NONE, NONE, y, 0, 0);
        x = y;
        if (next_random() & 1) write_border(to, 1, x);
        for (int layers = random_int(1, 3); layers > 0; layers--) {
            const uint32_t outputs = (uint32_t)random_int(1, 150);
            x = write_int8_layer(to, x, width, outputs);
            width = outputs;
            if (next_random() & 1) write_border(to, 1, x);
            if (next_random() % 4 == 0) x = write_moves(to, x, &width);
        }
        const uint32_t before = x;
        for (int steps = random_int(0, 3); steps > 0; steps--)
            x = next_random() % 4 ? write_int8_pair(to, x, before, width)
                                  : write_lookup(to, x, width);
        y = write_tensor(to, STROP_FLOAT32, width, 0, 0, 0, NULL);
        write_step(to, OP_DEQUANTIZE, x, NONE, NONE, y, 0, 0);
        x = y;
    }
    uint32_t earlier = x;
    for (int steps = random_int(1, 5); steps > 0; steps--) {
        if (next_random() & 1) {
            const uint32_t outputs = (uint32_t)random_int(1, 150);
            earlier = x = write_float_layer(to, x, width, outputs);
            width = outputs;
        } else if (next_random() % 4 == 0) {
            earlier = x = write_moves(to, x, &width);
        } else {
            x = write_float_step(to, x, earlier, width);
        }
        if (steps > 1 && next_random() % 4 == 0) write_border(to, 1, x);
    }
    write_border(to, 1, x);
    if (next_random() & 1) write_image_steps(to);
}

#endif
