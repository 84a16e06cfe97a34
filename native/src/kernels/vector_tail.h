/* The tail of a panel by vectors of sums. A file that includes it has
 *
 *   vector_sums                a vector of int32
 *   no_sums()                  all zeros
 *   add_step(), STEP_INPUTS    adds the products of so many inputs
 *   sum_across(a, b)           adds up all values of two
 */
#ifndef STROP_VECTOR_TAIL_H
#define STROP_VECTOR_TAIL_H

#include <string.h>

#include "../kernels.h"

static void accumulate_tail(const int8_t *weights, const int32_t *bias, size_t inputs,
                            size_t outputs, size_t rows, const uint8_t *x, int32_t *accumulators) {
    const size_t rest = inputs % STEP_INPUTS, whole = inputs - rest;
    for (size_t row = 0; row < rows; row++, x += inputs, accumulators += PANEL_OUTPUTS) {
        const int8_t *weight = weights;
        uint8_t last[STEP_INPUTS] = {0};
        memcpy(last, x + whole, rest);
        for (size_t i = 0; i < outputs; i++, weight += round_up(inputs, TAIL_INPUTS)) {
            vector_sums even = no_sums(), odd = even;
            size_t k = 0;
            for (; k + 2 * STEP_INPUTS <= whole; k += 2 * STEP_INPUTS) {
                even = add_step(even, x + k, weight + k);
                odd = add_step(odd, x + k + STEP_INPUTS, weight + k + STEP_INPUTS);
            }
            if (k < whole) even = add_step(even, x + k, weight + k);
            if (rest) odd = add_step(odd, last, weight + whole);
            accumulators[i] = bias[i] + sum_across(even, odd);
        }
    }
}

#endif
