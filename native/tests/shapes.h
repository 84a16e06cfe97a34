/* Tensors with a shape, which random networks go on with. */
#ifndef STROP_TEST_SHAPES_H
#define STROP_TEST_SHAPES_H

#include "random.h"
#include "writer.h"

enum { MOST_VALUES = 300 }; /* of a vector */

static int8_t network_weights[MOST_VALUES * 150];
static int32_t network_bias[150];
static float network_floats[MOST_VALUES * 150];

static inline float scale_of(const plan_writer *of, uint32_t tensor) {
    float scale;
    memcpy(&scale, of->tensor[tensor] + 32, sizeof scale);
    return scale;
}

/* A tensor that the networks go on with, int8 or float32. */
typedef struct {
    uint32_t number, rank;
    uint32_t dims[STROP_MAX_RANK];
} shaped;

static inline uint32_t values_of(const shaped *of) {
    uint32_t values = 1;
    for (uint32_t i = 0; i < of->rank; i++) values *= of->dims[i];
    return values;
}

/* Add a tensor of the shape of `like`, with the type, scale and zero point of another. */
static inline uint32_t write_alike(plan_writer *to, uint32_t other, const shaped *like,
                                   const void *values) {
    uint32_t dtype;
    int32_t zero_point;
    memcpy(&dtype, to->tensor[other], sizeof dtype);
    memcpy(&zero_point, to->tensor[other] + 36, sizeof zero_point);
    return write_shaped(to, dtype, like->rank, like->dims, scale_of(to, other), zero_point, values);
}

/* Give a vector a shape of up to six axes. */
static inline void write_reshape(plan_writer *to, shaped *x, uint32_t most_axes) {
    uint32_t left = values_of(x);
    shaped y = {0, 0, {0}};
    while (y.rank + 1 < most_axes) {
        const uint32_t size = (uint32_t)random_int(1, 7);
        if (left % size) continue;
        y.dims[y.rank++] = size;
        left /= size;
    }
    y.dims[y.rank++] = left;
    y.number = write_alike(to, x->number, &y, NULL);
    write_step(to, OP_RESHAPE, x->number, NONE, NONE, y.number, 0, 0);
    *x = y;
}

#endif
