/* Plain C: runs on every CPU, and says what the others must give. */
#include <string.h>

#include "../kernels.h"

typedef float lanes;
enum { LANES = 1 };

static void accumulate(const int8_t *restrict weights, const int32_t *restrict bias, size_t inputs,
                       size_t width, size_t rows, const uint8_t *restrict x,
                       int32_t *restrict accumulators) {
    for (size_t row = 0; row < rows; row++, x += inputs, accumulators += PANEL_OUTPUTS) {
        const int8_t *weight = weights;
        memcpy(accumulators, bias, width * sizeof *bias);
        for (size_t k = 0; k < inputs; k += GROUP_INPUTS, weight += width * GROUP_INPUTS) {
            uint8_t group[GROUP_INPUTS] = {0};
            memcpy(group, x + k, inputs - k < GROUP_INPUTS ? inputs - k : GROUP_INPUTS);
            const int32_t x0 = group[0], x1 = group[1], x2 = group[2], x3 = group[3];
            if (!(x0 | x1 | x2 | x3)) continue; /* adds nothing */
            for (size_t i = 0; i < width; i++) {
                const int8_t *w = weight + i * GROUP_INPUTS;
                accumulators[i] += x0 * w[0] + x1 * w[1] + x2 * w[2] + x3 * w[3];
            }
        }
    }
}

enum { INPUT_OFFSET = 128 };

#include "../kernels/int8_tail.h"
#include "../kernels/table.h"

const strop_kernels strop_plain_kernels = STROP_KERNELS("plain");
