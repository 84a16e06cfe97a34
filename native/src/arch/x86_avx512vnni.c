/* AVX-512 with VNNI: vpdpbusd adds four products of an unsigned and a signed byte to each of 16
 * accumulators, without saturation. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "../kernels.h"
#include "../unroll.h"

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,prefer-vector-width=512")
#endif

typedef float lanes __attribute__((vector_size(64)));
enum { LANES = 16, ZMM_OUTPUTS = 16 };
enum { CHUNK_GROUPS = 64 }; /* groups of inputs whose zeros are one 64-bit mask */

/* Tell which of up to 64 groups have an input other than 0 in any of the rows. The others add
 * nothing: most of a picture's border costs nothing. */
INLINE uint64_t find_nonzero(const uint8_t *x, size_t stride, size_t rows, size_t bytes) {
    uint64_t found = 0;
    for (size_t at = 0; at < bytes; at += 64) {
        const size_t left = bytes - at;
        const __mmask64 valid = left < 64 ? (UINT64_C(1) << left) - 1 : ~UINT64_C(0);
        __m512i any = _mm512_maskz_loadu_epi8(valid, x + at);
        FOR_UNROLLED(size_t row = 1; row < rows; row++)
            any = _mm512_or_si512(any, _mm512_maskz_loadu_epi8(valid, x + row * stride + at));
        found |= (uint64_t)_mm512_test_epi32_mask(any, any) << (at / GROUP_INPUTS);
    }
    return found;
}

INLINE void add_group(__m512i *sums, const int8_t *weights, const uint8_t *x, size_t stride,
                      size_t count, size_t rows, size_t vectors) {
    __m512i weight[PANEL_OUTPUTS / ZMM_OUTPUTS];
    FOR_UNROLLED(size_t i = 0; i < vectors; i++) weight[i] = _mm512_loadu_si512(weights + i * 64);
    FOR_UNROLLED(size_t row = 0; row < rows; row++) {
        int32_t group = 0;
        memcpy(&group, x + row * stride, count);
        const __m512i input = _mm512_set1_epi32(group);
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)
            sums[row * vectors + i] =
                _mm512_dpbusd_epi32(sums[row * vectors + i], input, weight[i]);
    }
}

/* Two groups at a time have sums of their own: no instruction waits for the one before. */
INLINE void accumulate_block(const int8_t *weights, const int32_t *bias, size_t inputs,
                             const uint8_t *x, int32_t *accumulators, size_t rows, size_t vectors) {
    enum { MOST = BLOCK_ROWS * PANEL_OUTPUTS / ZMM_OUTPUTS };
    __m512i even[MOST], odd[MOST];
    const size_t group_bytes = vectors * 64;
    const int pairs = rows == 1;
    FOR_UNROLLED(size_t row = 0; row < rows; row++)
        FOR_UNROLLED(size_t i = 0; i < vectors; i++) {
            even[row * vectors + i] = _mm512_loadu_si512(bias + i * ZMM_OUTPUTS);
            odd[row * vectors + i] = _mm512_setzero_si512();
        }
    for (size_t start = 0; start < inputs; start += CHUNK_GROUPS * GROUP_INPUTS) {
        const size_t left = inputs - start;
        const size_t bytes =
            left < CHUNK_GROUPS * GROUP_INPUTS ? left : CHUNK_GROUPS * GROUP_INPUTS;
        const uint8_t *chunk = x + start;
        const int8_t *panel = weights + start / GROUP_INPUTS * group_bytes;
        uint64_t found = find_nonzero(chunk, inputs, rows, bytes);
        const size_t rest = bytes % GROUP_INPUTS;
        if (rest && found >> (bytes / GROUP_INPUTS)) { /* the last group of the layer, not whole */
            const size_t last = bytes / GROUP_INPUTS;
            found &= ~(UINT64_C(1) << last);
            add_group(even, panel + last * group_bytes, chunk + last * GROUP_INPUTS, inputs, rest,
                      rows, vectors);
        }
        while (found) {
            const size_t group = (size_t)__builtin_ctzll(found);
            found &= found - 1;
            add_group(even, panel + group * group_bytes, chunk + group * GROUP_INPUTS, inputs,
                      GROUP_INPUTS, rows, vectors);
            if (pairs && found) {
                const size_t next = (size_t)__builtin_ctzll(found);
                found &= found - 1;
                add_group(odd, panel + next * group_bytes, chunk + next * GROUP_INPUTS, inputs,
                          GROUP_INPUTS, rows, vectors);
            }
        }
    }
    FOR_UNROLLED(size_t i = 0; i < rows * vectors; i++)
        _mm512_storeu_si512(accumulators + i * ZMM_OUTPUTS, _mm512_add_epi32(even[i], odd[i]));
}

INLINE void accumulate_rows(const int8_t *weights, const int32_t *bias, size_t inputs, size_t rows,
                            const uint8_t *x, int32_t *accumulators, size_t vectors) {
    if (rows == BLOCK_ROWS) {
        accumulate_block(weights, bias, inputs, x, accumulators, BLOCK_ROWS, vectors);
        return;
    }
    for (size_t row = 0; row < rows; row++)
        accumulate_block(weights, bias, inputs, x + row * inputs,
                         accumulators + row * vectors * ZMM_OUTPUTS, 1, vectors);
}

static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators) {
    switch (width / ZMM_OUTPUTS) {
        case 1: accumulate_rows(weights, bias, inputs, rows, x, accumulators, 1); break;
        case 2: accumulate_rows(weights, bias, inputs, rows, x, accumulators, 2); break;
        case 3: accumulate_rows(weights, bias, inputs, rows, x, accumulators, 3); break;
        default: accumulate_rows(weights, bias, inputs, rows, x, accumulators, 4);
    }
}

#include "../kernels/activations.h"
#include "../kernels/elementwise.h"
#include "../kernels/float_layer.h"
#include "../kernels/int8_layer.h"
#include "../kernels/quantize.h"
#include "../kernels/table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const strop_kernels strop_avx512vnni_kernels = STROP_KERNELS("avx512vnni", 128);

#else
typedef int no_kernels; /* C wants something in a file */
#endif
