/* int8 layers, around what an instruction set brings: accumulate(), the sums of a panel for up to
 * BLOCK_ROWS rows. */
#ifndef STROP_INT8_LAYER_H
#define STROP_INT8_LAYER_H

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

#endif
