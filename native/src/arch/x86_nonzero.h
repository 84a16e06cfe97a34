/* Groups of inputs that add nothing, by 256-bit vectors. It is included where AVX2 is the target.
 */
enum { CHUNK_INPUTS = 32 }; /* inputs whose zeros are one mask */

/* Tell which of 8 groups have an input other than 0 in any of the rows: 4 bits a group. */
INLINE uint32_t find_nonzero(const uint8_t *x, size_t stride, size_t rows) {
    __m256i any = _mm256_loadu_si256((const __m256i *)x);
    FOR_UNROLLED(size_t row = 1; row < rows; row++)
        any = _mm256_or_si256(any, _mm256_loadu_si256((const __m256i *)(x + row * stride)));
    const __m256i zero = _mm256_cmpeq_epi32(any, _mm256_setzero_si256());
    return ~(uint32_t)_mm256_movemask_epi8(zero);
}
