/* Fully connected layers, around what an instruction set brings:
 *
 *   accumulate()   sums of an int8 panel, for up to BLOCK_ROWS rows
 *   lanes, LANES   a vector of float32 and its length, a divisor of PAD_OUTPUTS
 */
#ifndef STROP_FULLY_CONNECTED_H
#define STROP_FULLY_CONNECTED_H

#include <string.h>

#include "../kernels.h"
#include "../unroll.h"
#include "requantize.h"

/* Panels are the outer loop: one panel stays in the cache while all rows of the tile pass. */
static void int8_fully_connected(const int8_layer *layer, size_t rows, const uint8_t *x,
                                 uint8_t *y) {
    const size_t inputs = layer->inputs;
    const size_t outputs = layer->outputs;
    const int8_t *weights = layer->weights;
    for (size_t first = 0; first < outputs; first += PANEL_OUTPUTS) {
        const size_t left = outputs - first;
        const size_t used = left < PANEL_OUTPUTS ? left : PANEL_OUTPUTS;
        const size_t width = round_up(used, PAD_OUTPUTS);
        for (size_t row = 0; row < rows; row += BLOCK_ROWS) {
            int32_t accumulators[BLOCK_ROWS * PANEL_OUTPUTS];
            uint8_t bytes[PANEL_OUTPUTS];
            const size_t block = rows - row < BLOCK_ROWS ? rows - row : BLOCK_ROWS;
            accumulate(weights, layer->bias + first, inputs, width, block, x + row * inputs,
                       accumulators);
            for (size_t i = 0; i < block; i++) {
                requantize(&layer->requantize, first, width, accumulators + i * width, bytes);
                memcpy(y + (row + i) * outputs + first, bytes, used);
            }
        }
        weights += round_up(inputs, GROUP_INPUTS) * width;
    }
}

enum { MOST_GROUPS = 1024 }; /* of inputs, whose numbers are on the stack; more are not looked at */

/* Find the groups of inputs that are not all 0, and return how many there are.
 *
 * The others change nothing: a partial sum begins at +0 and so never is -0, and to add a product
 * with 0, of either sign, leaves it as it is. That is why weights must be finite. */
static size_t nonzero_groups(const float *x, size_t groups, uint16_t *numbers) {
    const uint64_t NO_SIGNS = UINT64_C(0x7FFFFFFF7FFFFFFF);
    size_t count = 0;
    for (size_t i = 0; i < groups; i++) {
        uint64_t bits[GROUP_INPUTS / 2];
        memcpy(bits, x + i * GROUP_INPUTS, sizeof bits);
        numbers[count] = (uint16_t)i;
        count += ((bits[0] | bits[1]) & NO_SIGNS) != 0;
    }
    return count;
}

/* The inputs of a row that a layer reads: all groups, or those with these numbers. */
typedef struct {
    const float *x;
    size_t inputs;
    size_t groups;
    const uint16_t *numbers;
} row_inputs;

/* Each output is four partial sums, by input modulo 4, joined in a fixed order: this is part of the
 * format, so that lanes are outputs and every instruction set gives the same bits. */
INLINE lanes float_sums(const float *weights, const row_inputs *of, const uint16_t *numbers) {
    lanes partial[GROUP_INPUTS];
    memset(partial, 0, sizeof partial);
    for (size_t n = 0; n < of->groups; n++) {
        const size_t k = (numbers ? numbers[n] : n) * GROUP_INPUTS;
        FOR_UNROLLED(size_t i = 0; i < GROUP_INPUTS; i++) {
            lanes weight;
            memcpy(&weight, weights + (k + i) * PAD_OUTPUTS, sizeof weight);
            partial[i] += weight * of->x[k + i];
        }
    }
    const size_t whole = of->inputs / GROUP_INPUTS * GROUP_INPUTS;
    for (size_t i = 0; whole + i < of->inputs; i++) {
        lanes weight;
        memcpy(&weight, weights + (whole + i) * PAD_OUTPUTS, sizeof weight);
        partial[i] += weight * of->x[whole + i];
    }
    return (partial[0] + partial[1]) + (partial[2] + partial[3]);
}

/* One panel of outputs, of one row. */
static void float_panel(const float_layer *layer, size_t first, const row_inputs *of, float *y) {
    const float *weights = layer->weights + first * layer->inputs;
    const float *bias = layer->bias + first;
    const size_t left = layer->outputs - first;
    float values[PAD_OUTPUTS];
    for (size_t i = 0; i < PAD_OUTPUTS; i += LANES) {
        const lanes sums = of->numbers ? float_sums(weights + i, of, of->numbers)
                                       : float_sums(weights + i, of, NULL);
        memcpy(values + i, &sums, sizeof sums);
    }
    for (size_t i = 0; i < PAD_OUTPUTS; i++) {
        float value = values[i] + bias[i];
        value = value < layer->low ? layer->low : value;
        values[i] = value > layer->high ? layer->high : value;
    }
    memcpy(y + first, values, (left < PAD_OUTPUTS ? left : PAD_OUTPUTS) * sizeof(float));
}

static void float_fully_connected(const float_layer *layer, size_t rows, const float *x, float *y) {
    const size_t groups = layer->inputs / GROUP_INPUTS;
    const int skips = layer->is_finite && groups <= MOST_GROUPS;
    uint16_t numbers[BLOCK_ROWS][MOST_GROUPS];
    row_inputs of[BLOCK_ROWS];
    for (size_t row = 0; row < rows; row += BLOCK_ROWS) {
        const size_t block = rows - row < BLOCK_ROWS ? rows - row : BLOCK_ROWS;
        for (size_t i = 0; i < block; i++) {
            of[i] = (row_inputs){x + (row + i) * layer->inputs, layer->inputs, groups, NULL};
            if (!skips) continue;
            of[i].groups = nonzero_groups(of[i].x, groups, numbers[i]);
            of[i].numbers = of[i].groups < groups ? numbers[i] : NULL;
        }
        for (size_t first = 0; first < layer->outputs; first += PAD_OUTPUTS)
            for (size_t i = 0; i < block; i++)
                float_panel(layer, first, &of[i], y + (row + i) * layer->outputs);
    }
}

#endif
