/* AVX-VNNI: vpdpbusd on 256 bits, for CPUs without AVX-512. It adds four products of an unsigned
 * and a signed byte to each of 8 accumulators, without saturation. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "../kernels.h"
#include "../unroll.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,avxvnni")
#endif

typedef float lanes __attribute__((vector_size(32)));
enum { LANES = 8, YMM_OUTPUTS = 8 };
enum { SUMS = 12 }; /* registers of sums, of 16 */

INLINE void add_group(__m256i *sums, const int8_t *weights, const uint8_t *x, size_t stride,
                      size_t count, size_t rows, size_t vectors) {
    __m256i input[2];
    FOR_UNROLLED(size_t row = 0; row < rows; row++) {
        int32_t group = 0;
        memcpy(&group, x + row * stride, count);
        input[row] = _mm256_set1_epi32(group);
    }
    FOR_UNROLLED(size_t i = 0; i < vectors; i++) {
        const __m256i weight = _mm256_loadu_si256((const __m256i *)(weights + i * 32));
        FOR_UNROLLED(size_t row = 0; row < rows; row++)
            sums[row * vectors + i] =
                _mm256_dpbusd_avx_epi32(sums[row * vectors + i], input[row], weight);
    }
}

#include "x86_inputs.h"

/* Sums of vectors * YMM_OUTPUTS outputs. */
INLINE void accumulate_piece(const int8_t *weights, size_t width, const int32_t *bias,
                             size_t inputs, const uint8_t *x, int32_t *accumulators, size_t rows,
                             size_t vectors) {
    __m256i sums[SUMS];
    FOR_UNROLLED(size_t row = 0; row < rows; row++)
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)
            sums[row * vectors + i] = _mm256_loadu_si256((const __m256i *)(bias + i * YMM_OUTPUTS));
    add_inputs(sums, weights, width, inputs, x, rows, vectors);
    FOR_UNROLLED(size_t row = 0; row < rows; row++)
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)
            _mm256_storeu_si256((__m256i *)(accumulators + row * PANEL_OUTPUTS + i * YMM_OUTPUTS),
                                sums[row * vectors + i]);
}

/* Sums of all outputs of one row or, with the loads of weights shared, of two. */
INLINE void accumulate_rows(const int8_t *weights, size_t width, const int32_t *bias, size_t inputs,
                            const uint8_t *x, int32_t *accumulators, size_t rows) {
    switch (width / PAD_OUTPUTS) {
        case 1: accumulate_piece(weights, width, bias, inputs, x, accumulators, rows, 2); return;
        case 3: accumulate_piece(weights, width, bias, inputs, x, accumulators, rows, 6); return;
        default:
            for (size_t i = 0; i < width; i += 32)
                accumulate_piece(weights + i * GROUP_INPUTS, width, bias + i, inputs, x,
                                 accumulators + i, rows, 4);
    }
}

static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators) {
    size_t row = 0;
    for (; row + 2 <= rows; row += 2, x += 2 * inputs, accumulators += 2 * PANEL_OUTPUTS)
        accumulate_rows(weights, width, bias, inputs, x, accumulators, 2);
    if (row == rows) return;
    if (width == PANEL_OUTPUTS)
        accumulate_piece(weights, width, bias, inputs, x, accumulators, 1, 8);
    else
        accumulate_rows(weights, width, bias, inputs, x, accumulators, 1);
}

enum { INPUT_OFFSET = 128, STEP_INPUTS = 32 };

INLINE __m256i add_step(__m256i sums, const uint8_t *x, const int8_t *weights) {
    return _mm256_dpbusd_avx_epi32(sums, _mm256_loadu_si256((const __m256i *)x),
                                   _mm256_loadu_si256((const __m256i *)weights));
}

#include "../kernels/table.h"
#include "../kernels/vector_tail.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const strop_kernels strop_avxvnni_kernels = STROP_KERNELS("avxvnni");

#else
typedef int no_kernels; /* C wants something in a file */
#endif
