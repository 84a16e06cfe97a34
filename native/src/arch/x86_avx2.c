/* AVX2. Bytes are widened to 16 bits: vpmaddubsw, which takes bytes, saturates. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "../kernels.h"
#include "unroll.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif

typedef float lanes __attribute__((vector_size(32)));
enum { LANES = 8 };
enum { VECTORS = PAD_OUTPUTS / 4 }; /* of 4 outputs with two sums each */

/* Load a group of inputs as 16-bit numbers, four times over. */
INLINE __m256i load_group(const uint8_t *x, size_t left) {
    int32_t group = 0;
    if (left < GROUP_INPUTS)
        memcpy(&group, x, left);
    else
        memcpy(&group, x, GROUP_INPUTS);
    return _mm256_cvtepu8_epi16(_mm_set1_epi32(group));
}

/* Sums of 16 outputs in two rows at most: even and odd pairs of inputs, joined at the end. */
INLINE void accumulate_piece(const int8_t *weights, size_t group_bytes, const int32_t *bias,
                             size_t inputs, const uint8_t *x, int32_t *accumulators, size_t width,
                             size_t rows) {
    __m256i sums[2 * VECTORS];
    UNROLL for (size_t i = 0; i < rows * VECTORS; i++) sums[i] = _mm256_setzero_si256();
    for (size_t k = 0; k < inputs; k += GROUP_INPUTS, weights += group_bytes) {
        __m256i input[2];
        UNROLL for (size_t row = 0; row < rows; row++)
            input[row] = load_group(x + row * inputs + k, inputs - k);
        UNROLL for (size_t i = 0; i < VECTORS; i++) {
            const __m256i weight =
                _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(weights + i * 16)));
            UNROLL for (size_t row = 0; row < rows; row++)
                sums[row * VECTORS + i] = _mm256_add_epi32(
                    sums[row * VECTORS + i], _mm256_madd_epi16(input[row], weight));
        }
    }
    UNROLL for (size_t row = 0; row < rows; row++)
        UNROLL for (size_t i = 0; i < VECTORS; i += 2) {
            /* The horizontal sum works in 128-bit halves: outputs 0 1 4 5 2 3 6 7. */
            const __m256i joined = _mm256_permute4x64_epi64(
                _mm256_hadd_epi32(sums[row * VECTORS + i], sums[row * VECTORS + i + 1]),
                _MM_SHUFFLE(3, 1, 2, 0));
            const __m256i start = _mm256_loadu_si256((const __m256i *)(bias + i * 4));
            _mm256_storeu_si256((__m256i *)(accumulators + row * width + i * 4),
                                _mm256_add_epi32(joined, start));
        }
}

static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators) {
    const size_t group_bytes = width * GROUP_INPUTS;
    for (size_t i = 0; i < width; i += PAD_OUTPUTS) {
        const int8_t *piece = weights + i * GROUP_INPUTS;
        size_t row = 0;
        for (; row + 2 <= rows; row += 2)
            accumulate_piece(piece, group_bytes, bias + i, inputs, x + row * inputs,
                             accumulators + row * width + i, width, 2);
        if (row < rows)
            accumulate_piece(piece, group_bytes, bias + i, inputs, x + row * inputs,
                             accumulators + row * width + i, width, 1);
    }
}

#include "../kernels/activations.h"
#include "../kernels/elementwise.h"
#include "../kernels/fully_connected.h"
#include "../kernels/quantize.h"
#include "../kernels/table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const strop_kernels strop_avx2_kernels = STROP_KERNELS("avx2", 128);

#else
typedef int no_kernels; /* C wants something in a file */
#endif
