/* The walk over a layer's inputs by 256-bit vectors. A file that includes it has add_group(), which
 * adds the products of one group of inputs. */
#include "x86_nonzero.h"

/* Add the products of all groups that are not 0 in every row. */
INLINE void add_inputs(__m256i *sums, const int8_t *weights, size_t width, size_t inputs,
                       const uint8_t *x, size_t rows, size_t vectors) {
    const size_t group_bytes = width * GROUP_INPUTS;
    size_t k = 0;
    for (; k + CHUNK_INPUTS <= inputs; k += CHUNK_INPUTS) {
        uint32_t found = find_nonzero(x + k, inputs, rows);
        while (found) {
            const size_t at = (size_t)__builtin_ctz(found); /* of the group's first input */
            found &= ~(UINT32_C(0xF) << at);
            add_group(sums, weights + (k + at) * width, x + k + at, inputs, GROUP_INPUTS, rows,
                      vectors);
        }
    }
    for (weights += k * width; k + GROUP_INPUTS <= inputs;
         k += GROUP_INPUTS, weights += group_bytes)
        add_group(sums, weights, x + k, inputs, GROUP_INPUTS, rows, vectors);
    if (k < inputs) add_group(sums, weights, x + k, inputs, inputs - k, rows, vectors);
}

/* For vector_tail.h. */
typedef __m256i vector_sums;

INLINE vector_sums no_sums(void) { return _mm256_setzero_si256(); }

INLINE int32_t sum_across(vector_sums a, vector_sums b) {
    const __m256i both = _mm256_add_epi32(a, b);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_hadd_epi32(sum, sum);
    return _mm_cvtsi128_si32(_mm_hadd_epi32(sum, sum));
}
