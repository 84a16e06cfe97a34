/* 784-50-50-10 by hand, for AVX-512 VNNI: every pixel is multiplied, one image at a time.
 *
 * `vnni_loop.py` writes the arrays: weights in groups of 4 inputs, 48 outputs in one array and the
 * last 2, padded to 4, in another, so that both are aligned and fit the L1 cache together. */
#ifndef __AVX512VNNI__
#error "this CPU has no AVX-512 VNNI"
#endif
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

enum { PIXELS = 784, UNITS = 50, PADDED = 52, CLASSES = 10, WIDE = 48, TAIL = 4, AT_ONCE = 4 };

/* One int8 layer with a Relu: from bytes, 4 at a time, to PADDED bytes. */
static inline __attribute__((always_inline)) void
layer(const uint8_t *x, int groups, const int8_t *wide, const int8_t *tail, const int32_t *bias,
      const float *scale, uint8_t *y) {
    __m512i sums[AT_ONCE][3] = {{_mm512_load_si512(bias), _mm512_load_si512(bias + 16),
                                 _mm512_load_si512(bias + 32)}};
    __m128i last[AT_ONCE] = {_mm_load_si128((const __m128i *)(bias + WIDE))};
    for (int k = 0; k < groups; k += AT_ONCE)
        for (int i = 0; i < AT_ONCE && k + i < groups; i++) {
            int32_t four;
            memcpy(&four, x + 4 * (k + i), 4);
            const __m512i inputs = _mm512_set1_epi32(four);
            const int8_t *w = wide + (k + i) * 4 * WIDE;
            for (int j = 0; j < 3; j++)
                sums[i][j] = _mm512_dpbusd_epi32(sums[i][j], inputs, _mm512_load_si512(w + 64 * j));
            last[i] = _mm_dpbusd_epi32(
                last[i], _mm512_castsi512_si128(inputs),
                _mm_load_si128((const __m128i *)(tail + (k + i) * 4 * TAIL)));
        }
    const __m512i zero = _mm512_setzero_si512();
    for (int j = 0; j < 3; j++) {
        const __m512i sum =
            _mm512_add_epi32(_mm512_add_epi32(sums[0][j], sums[1][j]),
                             _mm512_add_epi32(sums[2][j], sums[3][j]));
        const __m512 real = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_load_ps(scale + 16 * j));
        const __m512i whole = _mm512_max_epi32(_mm512_cvtps_epi32(real), zero);
        _mm_storeu_si128((__m128i *)(y + 16 * j), _mm512_cvtusepi32_epi8(whole));
    }
    const __m128i sum =
        _mm_add_epi32(_mm_add_epi32(last[0], last[1]), _mm_add_epi32(last[2], last[3]));
    const __m128 real = _mm_mul_ps(_mm_cvtepi32_ps(sum), _mm_load_ps(scale + WIDE));
    const __m128i whole = _mm_max_epi32(_mm_cvtps_epi32(real), _mm512_castsi512_si128(zero));
    _mm_storeu_si32(y + WIDE, _mm_cvtusepi32_epi8(whole));
}

/* e^x for x <= 0, within 3e-7 of it. */
static inline __m512 exponential(__m512 x) {
    static const float terms[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1, 1};
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
    const __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693147181f), x);
    __m512 sum = _mm512_setzero_ps();
    for (int i = 0; i < 7; i++) sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(terms[i]));
    return _mm512_scalef_ps(sum, n);
}

static void infer(int images, const uint8_t *pixels, float *out) {
    const __mmask16 classes = (1 << CLASSES) - 1;
    for (int image = 0; image < images; image++, pixels += PIXELS, out += CLASSES) {
        uint8_t first[PADDED], second[PADDED];
        layer(pixels, PIXELS / 4, wide_1, tail_1, bias_1, scale_1, first);
        layer(first, PADDED / 4, wide_2, tail_2, bias_2, scale_2, second);
        __m512 sums[5] = {_mm512_load_ps(bias_3)};
        for (int i = 0; i < UNITS; i += 5)
            for (int j = 0; j < 5; j++)
                sums[j] = _mm512_fmadd_ps(_mm512_set1_ps(second[i + j]),
                                          _mm512_load_ps(weights_3 + 16 * (i + j)), sums[j]);
        const __m512 logits =
            _mm512_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), sums[2]),
                          _mm512_add_ps(sums[3], sums[4]));
        const float most = _mm512_mask_reduce_max_ps(classes, logits);
        const __m512 shares = exponential(_mm512_sub_ps(logits, _mm512_set1_ps(most)));
        const __m512 all = _mm512_set1_ps(_mm512_mask_reduce_add_ps(classes, shares));
        _mm512_mask_storeu_ps(out, classes, _mm512_div_ps(shares, all));
    }
}
