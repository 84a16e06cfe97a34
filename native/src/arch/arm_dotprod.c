/* AArch64 with the dot product: sdot adds four products of signed bytes to each of 4 sums. */
#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#include "../kernels.h"
#include "../unroll.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC target("+dotprod")
#endif

typedef float lanes __attribute__((vector_size(16)));
enum { LANES = 4, Q_OUTPUTS = 4 };
enum { SUMS = 16 }; /* registers of sums, of 32 */

INLINE void add_group(int32x4_t *sums, const int8_t *weights, const uint8_t *x, size_t stride,
                      size_t count, size_t rows, size_t vectors) {
    int8x16_t input[2];
    FOR_UNROLLED(size_t row = 0; row < rows; row++) {
        uint32_t group = 0;
        memcpy(&group, x + row * stride, count);
        input[row] = vreinterpretq_s8_u32(vdupq_n_u32(group ^ 0x80808080)); /* int8 again */
    }
    FOR_UNROLLED(size_t i = 0; i < vectors; i++) {
        const int8x16_t weight = vld1q_s8(weights + i * 16);
        FOR_UNROLLED(size_t row = 0; row < rows; row++)
            sums[row * vectors + i] = vdotq_s32(sums[row * vectors + i], weight, input[row]);
    }
}

/* Sums of vectors * Q_OUTPUTS outputs. */
INLINE void accumulate_piece(const int8_t *weights, size_t width, const int32_t *bias,
                             size_t inputs, const uint8_t *x, int32_t *accumulators, size_t rows,
                             size_t vectors) {
    int32x4_t sums[SUMS];
    size_t k = 0;
    FOR_UNROLLED(size_t row = 0; row < rows; row++)
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)
            sums[row * vectors + i] = vld1q_s32(bias + i * Q_OUTPUTS);
    for (; k + GROUP_INPUTS <= inputs; k += GROUP_INPUTS, weights += width * GROUP_INPUTS)
        add_group(sums, weights, x + k, inputs, GROUP_INPUTS, rows, vectors);
    if (k < inputs) add_group(sums, weights, x + k, inputs, inputs - k, rows, vectors);
    FOR_UNROLLED(size_t row = 0; row < rows; row++)
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)
            vst1q_s32(accumulators + row * PANEL_OUTPUTS + i * Q_OUTPUTS, sums[row * vectors + i]);
}

/* Two rows share the weights of 32 outputs; a row alone takes 64 outputs at a time. */
static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators) {
    size_t row = 0;
    for (; row + 2 <= rows; row += 2, x += 2 * inputs, accumulators += 2 * PANEL_OUTPUTS) {
        size_t i = 0;
        for (; i + 32 <= width; i += 32)
            accumulate_piece(weights + i * GROUP_INPUTS, width, bias + i, inputs, x,
                             accumulators + i, 2, 8);
        if (i < width)
            accumulate_piece(weights + i * GROUP_INPUTS, width, bias + i, inputs, x,
                             accumulators + i, 2, 4);
    }
    if (row == rows) return;
    if (width == PANEL_OUTPUTS) {
        accumulate_piece(weights, width, bias, inputs, x, accumulators, 1, 16);
        return;
    }
    for (size_t i = 0; i < width; i += PAD_OUTPUTS)
        accumulate_piece(weights + i * GROUP_INPUTS, width, bias + i, inputs, x, accumulators + i,
                         1, 4);
}

enum { INPUT_OFFSET = 0 };

#include "../kernels/int8_tail.h"
#include "../kernels/table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const strop_kernels strop_dotprod_kernels = STROP_KERNELS("dotprod");

#else
typedef int no_kernels; /* C wants something in a file */
#endif
