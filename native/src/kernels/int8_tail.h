/* The tail of a panel for instruction sets that have none of their own: a loop that compilers turn
 * into vectors. */
#ifndef STROP_INT8_TAIL_H
#define STROP_INT8_TAIL_H

#include "../kernels.h"

static void accumulate_tail(const int8_t *weights, const int32_t *bias, size_t inputs,
                            size_t outputs, size_t rows, const uint8_t *x, int32_t *accumulators) {
    for (size_t i = 0; i < outputs; i++, weights += round_up(inputs, TAIL_INPUTS))
        for (size_t row = 0; row < rows; row++) {
            const uint8_t *input = x + row * inputs;
            int32_t sum = bias[i];
            for (size_t k = 0; k < inputs; k++)
                sum += (INPUT_OFFSET ? input[k] : (int8_t)(input[k] ^ 0x80)) * weights[k];
            accumulators[row * PANEL_OUTPUTS + i] = sum;
        }
}

#endif
