/* Plain C: runs on every CPU, and says what the others must give. */
#include <string.h>

#include "../kernels.h"

typedef float lanes;
enum { LANES = 1 };

static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators) {
    for (size_t row = 0; row < rows; row++, x += inputs, accumulators += width) {
        const int8_t *weight = weights;
        memcpy(accumulators, bias, width * sizeof *bias);
        for (size_t k = 0; k < inputs; k += GROUP_INPUTS) {
            uint8_t group[GROUP_INPUTS] = {0};
            memcpy(group, x + k, inputs - k < GROUP_INPUTS ? inputs - k : GROUP_INPUTS);
            for (size_t i = 0; i < width; i++, weight += GROUP_INPUTS)
                accumulators[i] += group[0] * weight[0] + group[1] * weight[1] +
                                   group[2] * weight[2] + group[3] * weight[3];
        }
    }
}

#include "../kernels/activations.h"
#include "../kernels/elementwise.h"
#include "../kernels/fully_connected.h"
#include "../kernels/quantize.h"
#include "../kernels/table.h"

const strop_kernels strop_plain_kernels = STROP_KERNELS("plain", 128);
