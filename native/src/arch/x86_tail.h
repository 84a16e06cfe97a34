/* The tail of a panel by 256-bit vectors. A file that includes it has STEP_INPUTS and add_step(),
 * which adds the products of so many inputs to eight sums. */
INLINE int32_t sum_across(__m256i sums) {
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    sum = _mm_hadd_epi32(sum, sum);
    return _mm_cvtsi128_si32(_mm_hadd_epi32(sum, sum));
}

static void accumulate_tail(const int8_t *weights, const int32_t *bias, size_t inputs,
                            size_t outputs, size_t rows, const uint8_t *x, int32_t *accumulators) {
    const size_t rest = inputs % STEP_INPUTS, whole = inputs - rest;
    for (size_t row = 0; row < rows; row++, x += inputs, accumulators += PANEL_OUTPUTS) {
        const int8_t *weight = weights;
        uint8_t last[STEP_INPUTS] = {0};
        memcpy(last, x + whole, rest);
        for (size_t i = 0; i < outputs; i++, weight += round_up(inputs, TAIL_INPUTS)) {
            __m256i even = _mm256_setzero_si256(), odd = even;
            size_t k = 0;
            for (; k + 2 * STEP_INPUTS <= whole; k += 2 * STEP_INPUTS) {
                even = add_step(even, x + k, weight + k);
                odd = add_step(odd, x + k + STEP_INPUTS, weight + k + STEP_INPUTS);
            }
            if (k < whole) even = add_step(even, x + k, weight + k);
            if (rest) odd = add_step(odd, last, weight + whole);
            accumulators[i] = bias[i] + sum_across(_mm256_add_epi32(even, odd));
        }
    }
}
