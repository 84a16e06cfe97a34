/* Float layers. An instruction set brings `lanes`, a vector of LANES floats: 1, or a multiple of 4.
 *
 * Each output is four partial sums, by input modulo 4, joined in a fixed order: this is part of the
 * format, so that every instruction set gives the same bits. A quad is the sums of 4 outputs; a
 * vector holds all or some of its outputs, each with its four sums side by side. */
#ifndef STROP_FLOAT_LAYER_H
#define STROP_FLOAT_LAYER_H

#include <string.h>

#include "../kernels.h"
#include "../unroll.h"

enum {
    QUAD_VECTORS = QUAD / LANES,
    INPUT_VECTORS = LANES < 4 ? 4 / LANES : 1, /* that hold a group of inputs */
    /* Quads whose sums stay in registers together. */
    MOST_QUADS = LANES == 16 ? 8
    : LANES == 8             ? 6
    : LANES == 4             ? 3
                             : 1,
    MOST_GROUPS = 1024 /* of inputs, looked through at a time */
};

/* Find the groups of inputs that are not all 0, and return how many there are.
 *
 * The others change nothing: a partial sum begins at +0 and so never is -0, and to add a product
 * with 0, of either sign, leaves it as it is. That is why weights must be finite. */
static size_t nonzero_groups(const float *x, size_t groups, int is_finite, uint16_t *numbers) {
    const uint64_t NO_SIGNS = UINT64_C(0x7FFFFFFF7FFFFFFF);
    size_t count = 0;
    for (size_t i = 0; i < groups; i++) {
        uint64_t bits[GROUP_INPUTS / 2];
        memcpy(bits, x + i * GROUP_INPUTS, sizeof bits);
        numbers[count] = (uint16_t)i;
        count += !is_finite | (((bits[0] | bits[1]) & NO_SIGNS) != 0);
    }
    return count;
}

/* Add the products of `groups` groups of inputs, which have these numbers. */
INLINE void add_products(const float *weights, const float *x, size_t groups,
                         const uint16_t *numbers, size_t quads, lanes *sums) {
    lanes sum[MOST_QUADS * QUAD_VECTORS];
    FOR_UNROLLED(size_t i = 0; i < quads * QUAD_VECTORS; i++) sum[i] = sums[i];
    for (size_t n = 0; n < groups; n++) {
        const float *weight = weights + numbers[n] * quads * QUAD;
        const float *group = x + numbers[n] * (size_t)GROUP_INPUTS;
        lanes input[INPUT_VECTORS]; /* the group, as often as a vector has room for it */
        FOR_UNROLLED(size_t i = 0; i < LANES * INPUT_VECTORS; i += GROUP_INPUTS)
            memcpy((float *)input + i, group, GROUP_INPUTS * sizeof *group);
        FOR_UNROLLED(size_t i = 0; i < quads * QUAD_VECTORS; i++) {
            lanes vector;
            memcpy(&vector, weight + i * LANES, sizeof vector);
            sum[i] += vector * input[i % INPUT_VECTORS];
        }
    }
    FOR_UNROLLED(size_t i = 0; i < quads * QUAD_VECTORS; i++) sums[i] = sum[i];
}

/* The same for a number of quads that the compiler does not know. */
static void add_groups(const float *weights, const float *x, size_t groups, const uint16_t *numbers,
                       size_t quads, lanes *sums) {
#define OF(count)                                                                          \
    case count:                                                                            \
        if (count <= MOST_QUADS)                                                           \
            add_products(weights, x, groups, numbers, (count - 1) % MOST_QUADS + 1, sums); \
        break
    switch (quads) {
        OF(1);
        OF(2);
        OF(3);
        OF(4);
        OF(5);
        OF(6);
        OF(7);
        OF(8);
    }
#undef OF
}

/* One panel of a layer, for one row: its outputs with bias and activation. */
static void float_panel(const float_layer *layer, size_t quads, const float *weights,
                        const float *bias, const float *x, size_t groups, uint16_t *numbers,
                        float *outputs) {
    const size_t whole = layer->inputs / GROUP_INPUTS, rest = layer->inputs % GROUP_INPUTS;
    lanes sums[MOST_QUADS * QUAD_VECTORS];
    float partial[MOST_QUADS * QUAD];
    memset(sums, 0, sizeof sums);
    for (size_t first = 0; first < whole; first += MOST_GROUPS) {
        const size_t left = whole - first;
        const float *from = x + first * GROUP_INPUTS;
        if (whole > MOST_GROUPS) /* else the caller has found them, for all panels */
            groups = nonzero_groups(from, left < MOST_GROUPS ? left : MOST_GROUPS, layer->is_finite,
                                    numbers);
        add_groups(weights + first * quads * QUAD, from, groups, numbers, quads, sums);
    }
    if (rest) {
        const uint16_t only = 0;
        float group[GROUP_INPUTS] = {0};
        memcpy(group, x + whole * GROUP_INPUTS, rest * sizeof *group);
        add_groups(weights + whole * quads * QUAD, group, 1, &only, quads, sums);
    }
    memcpy(partial, sums, sizeof partial);
    for (size_t i = 0; i < quads * QUAD_OUTPUTS; i++) {
        const float *p = partial + i * GROUP_INPUTS;
        float value = (p[0] + p[1]) + (p[2] + p[3]) + bias[i];
        value = value < layer->low ? layer->low : value;
        outputs[i] = value > layer->high ? layer->high : value;
    }
}

static void float_fully_connected(const float_layer *layer, size_t rows, const float *x, float *y) {
    const size_t whole = layer->inputs / GROUP_INPUTS;
    const size_t padded = round_up(layer->inputs, GROUP_INPUTS);
    const size_t most = float_panel_quads(layer->outputs, MOST_QUADS);
    uint16_t numbers[MOST_GROUPS];
    for (size_t row = 0; row < rows; row++, x += layer->inputs, y += layer->outputs) {
        const float *weights = layer->weights;
        size_t groups = 0;
        if (whole <= MOST_GROUPS) groups = nonzero_groups(x, whole, layer->is_finite, numbers);
        for (size_t first = 0; first < layer->outputs; first += most * QUAD_OUTPUTS) {
            float outputs[MOST_QUADS * QUAD_OUTPUTS];
            const size_t left = layer->outputs - first;
            const size_t used = left < most * QUAD_OUTPUTS ? left : most * QUAD_OUTPUTS;
            const size_t quads = round_up(used, QUAD_OUTPUTS) / QUAD_OUTPUTS;
            float_panel(layer, quads, weights, layer->bias + first, x, groups, numbers, outputs);
            memcpy(y + first, outputs, used * sizeof *outputs);
            weights += padded * quads * QUAD_OUTPUTS;
        }
    }
}

#endif
