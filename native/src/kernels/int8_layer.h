/* int8 layers, around what an instruction set brings. */
#ifndef STROP_INT8_LAYER_H
#define STROP_INT8_LAYER_H

#include "../kernels.h"
#include "requantize.h"

/* Sums of the outputs of a panel that lie side by side, for up to BLOCK_ROWS rows. The sums of a
 * row are PANEL_OUTPUTS after those of the row before. */
static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators);

/* Sums of the 1 to TAIL_OUTPUTS outputs of its tail. */
static void accumulate_tail(const int8_t *weights, const int32_t *bias, size_t inputs,
                            size_t outputs, size_t rows, const uint8_t *x, int32_t *accumulators);

/* Panels are the outer loop: one panel stays in the cache while all rows of the tile pass. */
static void int8_fully_connected(const int8_layer *layer, size_t rows, const uint8_t *x,
                                 uint8_t *y) {
    const size_t inputs = layer->inputs, outputs = layer->outputs;
    const int8_t *weights = layer->weights;
    for (size_t first = 0; first < outputs; first += PANEL_OUTPUTS) {
        const size_t left = outputs - first;
        const size_t used = left < PANEL_OUTPUTS ? left : PANEL_OUTPUTS;
        const size_t width = panel_width(used, inputs);
        const int32_t *bias = layer->bias + first;
        const int8_t *tail = weights + width * round_up(inputs, GROUP_INPUTS);
        for (size_t row = 0; row < rows; row += BLOCK_ROWS) {
            int32_t accumulators[BLOCK_ROWS * PANEL_OUTPUTS];
            const size_t block = rows - row < BLOCK_ROWS ? rows - row : BLOCK_ROWS;
            const uint8_t *from = x + row * inputs;
            if (width < used)
                accumulate_tail(tail, bias + width, inputs, used - width, block, from,
                                accumulators + width);
            if (width) accumulate(weights, bias, inputs, width, block, from, accumulators);
            requantize_rows(&layer->requantize, first, block, used, accumulators,
                            y + row * outputs + first, outputs);
        }
        weights = tail; /* only the last panel has one */
    }
}

#endif
