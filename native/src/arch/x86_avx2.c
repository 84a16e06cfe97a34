/* AVX2. Bytes are widened to 16 bits: vpmaddubsw, which takes bytes, saturates. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "../kernels.h"
#include "../unroll.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif

typedef float lanes __attribute__((vector_size(32)));
enum { LANES = 8 };
enum { YMM_OUTPUTS = 4 }; /* each has two sums in a register: of even and of odd pairs of inputs */
enum { SUMS = 12 };       /* registers of sums: more would not stay in registers */

INLINE void add_group(__m256i *sums, const int8_t *weights, const uint8_t *x, size_t stride,
                      size_t count, size_t rows, size_t vectors) {
    __m256i input[2];
    FOR_UNROLLED(size_t row = 0; row < rows; row++) {
        int32_t group = 0;
        memcpy(&group, x + row * stride, count);
        input[row] = _mm256_cvtepu8_epi16(_mm_set1_epi32(group)); /* the group, four times */
    }
    FOR_UNROLLED(size_t i = 0; i < vectors; i++) {
        const __m256i weight =
            _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(weights + i * 16)));
        FOR_UNROLLED(size_t row = 0; row < rows; row++)
            sums[row * vectors + i] =
                _mm256_add_epi32(sums[row * vectors + i], _mm256_madd_epi16(input[row], weight));
    }
}

#include "x86_inputs.h"

/* Sums of vectors * YMM_OUTPUTS outputs. */
INLINE void accumulate_piece(const int8_t *weights, size_t width, const int32_t *bias,
                             size_t inputs, const uint8_t *x, int32_t *accumulators, size_t rows,
                             size_t vectors) {
    __m256i sums[SUMS];
    FOR_UNROLLED(size_t i = 0; i < rows * vectors; i++) sums[i] = _mm256_setzero_si256();
    add_inputs(sums, weights, width, inputs, x, rows, vectors);
    FOR_UNROLLED(size_t row = 0; row < rows; row++)
        FOR_UNROLLED(size_t i = 0; i < vectors; i += 2) {
            /* The horizontal sum works in 128-bit halves: outputs 0 1 4 5 2 3 6 7. */
            const __m256i joined = _mm256_permute4x64_epi64(
                _mm256_hadd_epi32(sums[row * vectors + i], sums[row * vectors + i + 1]),
                _MM_SHUFFLE(3, 1, 2, 0));
            const __m256i start = _mm256_loadu_si256((const __m256i *)(bias + i * YMM_OUTPUTS));
            _mm256_storeu_si256((__m256i *)(accumulators + row * PANEL_OUTPUTS + i * YMM_OUTPUTS),
                                _mm256_add_epi32(joined, start));
        }
}

/* Sums of all outputs: `vectors` at a time, and what that leaves over PAD_OUTPUTS at a time. */
INLINE void accumulate_rows(const int8_t *weights, size_t width, const int32_t *bias, size_t inputs,
                            const uint8_t *x, int32_t *accumulators, size_t rows, size_t vectors) {
    const size_t step = vectors * YMM_OUTPUTS;
    size_t i = 0;
    for (; i + step <= width; i += step)
        accumulate_piece(weights + i * GROUP_INPUTS, width, bias + i, inputs, x, accumulators + i,
                         rows, vectors);
    for (; i < width; i += PAD_OUTPUTS)
        accumulate_piece(weights + i * GROUP_INPUTS, width, bias + i, inputs, x, accumulators + i,
                         rows, PAD_OUTPUTS / YMM_OUTPUTS);
}

/* Two rows share the widened weights. 24 outputs have 12 sums in two rows, and 48 in one: of other
 * widths they would leave some over. */
static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators) {
    const int fits = width % 24 == 0;
    size_t row = 0;
    for (; row + 2 <= rows; row += 2, x += 2 * inputs, accumulators += 2 * PANEL_OUTPUTS)
        if (fits)
            accumulate_rows(weights, width, bias, inputs, x, accumulators, 2, 6);
        else
            accumulate_rows(weights, width, bias, inputs, x, accumulators, 2, 4);
    if (row == rows) return;
    if (fits)
        accumulate_rows(weights, width, bias, inputs, x, accumulators, 1, 12);
    else
        accumulate_rows(weights, width, bias, inputs, x, accumulators, 1, 8);
}

enum { INPUT_OFFSET = 128, STEP_INPUTS = 16 };

INLINE __m256i add_step(__m256i sums, const uint8_t *x, const int8_t *weights) {
    const __m256i input = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)x));
    const __m256i weight = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)weights));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(input, weight));
}

#include "../kernels/table.h"
#include "../kernels/vector_tail.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const strop_kernels strop_avx2_kernels = STROP_KERNELS("avx2");

#else
typedef int no_kernels; /* C wants something in a file */
#endif
