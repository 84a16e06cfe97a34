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

/* Each output is four partial sums, by input modulo 4, joined in a fixed order: this is part of the
 * format, so that lanes are outputs and every instruction set gives the same bits. */
static inline lanes float_sums(const float *weights, size_t inputs, const float *x) {
    lanes partial[4];
    memset(partial, 0, sizeof partial);
    size_t k = 0;
    for (; k + 4 <= inputs; k += 4) {
        lanes weight[4];
        FOR_UNROLLED(size_t i = 0; i < 4; i++) {
            memcpy(&weight[i], weights + (k + i) * PAD_OUTPUTS, sizeof(lanes));
            partial[i] += weight[i] * x[k + i];
        }
    }
    for (size_t i = 0; k + i < inputs; i++) {
        lanes weight;
        memcpy(&weight, weights + (k + i) * PAD_OUTPUTS, sizeof weight);
        partial[i] += weight * x[k + i];
    }
    return (partial[0] + partial[1]) + (partial[2] + partial[3]);
}

static void float_fully_connected(const float_layer *layer, size_t rows, const float *x, float *y) {
    const size_t inputs = layer->inputs;
    const size_t outputs = layer->outputs;
    for (size_t first = 0; first < outputs; first += PAD_OUTPUTS) {
        const float *weights = layer->weights + first * inputs;
        const float *bias = layer->bias + first;
        const size_t used = outputs - first < PAD_OUTPUTS ? outputs - first : PAD_OUTPUTS;
        for (size_t row = 0; row < rows; row++) {
            float values[PAD_OUTPUTS];
            for (size_t i = 0; i < PAD_OUTPUTS; i += LANES) {
                const lanes sums = float_sums(weights + i, inputs, x + row * inputs);
                memcpy(values + i, &sums, sizeof sums);
            }
            for (size_t i = 0; i < PAD_OUTPUTS; i++) {
                float value = values[i] + bias[i];
                value = value < layer->low ? layer->low : value;
                values[i] = value > layer->high ? layer->high : value;
            }
            memcpy(y + row * outputs + first, values, used * sizeof(float));
        }
    }
}

#endif
