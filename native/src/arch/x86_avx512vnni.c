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
enum { MOST_VECTORS = PANEL_OUTPUTS / ZMM_OUTPUTS };
enum { MOST_SUMS = 8 };     /* registers of sums, of even and of odd groups each */
enum { CHUNK_GROUPS = 64 }; /* groups of inputs whose zeros are one 64-bit mask */
enum { FEW_GROUPS = 16 };   /* where to look for zeros takes longer than to multiply them */

/* Tell which of up to 64 groups have an input other than 0 in any of the rows. The others add
 * nothing: most of a picture's border costs nothing. */
INLINE uint64_t find_nonzero(const uint8_t *x, size_t stride, size_t rows, size_t groups) {
    uint64_t found = 0;
    for (size_t group = 0; group < groups; group += 16, x += 64) {
        const size_t left = groups - group;
        const __mmask16 valid = (__mmask16)(left < 16 ? (1 << left) - 1 : 0xFFFF);
        __m512i any = _mm512_maskz_loadu_epi32(valid, x);
        FOR_UNROLLED(size_t row = 1; row < rows; row++)
            any = _mm512_or_si512(any, _mm512_maskz_loadu_epi32(valid, x + row * stride));
        found |= (uint64_t)_mm512_test_epi32_mask(any, any) << group;
    }
    return found;
}

/* Load the `count` inputs of a group, 16 times over. */
INLINE __m512i load_group(const uint8_t *x, size_t count) {
    int32_t group;
    if (count < GROUP_INPUTS) /* memcpy would be a call, for which all sums leave the registers */
        return _mm512_broadcastd_epi32(_mm_maskz_loadu_epi8((__mmask16)((1 << count) - 1), x));
    memcpy(&group, x, GROUP_INPUTS);
    return _mm512_set1_epi32(group);
}

INLINE void add_group(__m512i *sums, const int8_t *weights, const uint8_t *x, size_t stride,
                      size_t count, size_t rows, size_t vectors) {
    __m512i weight[MOST_VECTORS];
    FOR_UNROLLED(size_t i = 0; i < vectors; i++) weight[i] = _mm512_loadu_si512(weights + i * 64);
    FOR_UNROLLED(size_t row = 0; row < rows; row++) {
        const __m512i input = load_group(x + row * stride, count);
        FOR_UNROLLED(size_t i = 0; i < vectors; i++)
            sums[row * vectors + i] =
                _mm512_dpbusd_epi32(sums[row * vectors + i], input, weight[i]);
    }
}

INLINE void add_one_group(__m512i *sums, const int8_t *weights, const uint8_t *x, size_t stride,
                          size_t group, size_t rows, size_t vectors) {
    add_group(sums, weights + group * vectors * 64, x + group * GROUP_INPUTS, stride, GROUP_INPUTS,
              rows, vectors);
}

/* Take the number of the lowest bit that is set out of a mask. */
INLINE size_t take_lowest(uint64_t *mask) {
    const size_t lowest = (size_t)__builtin_ctzll(*mask);
    *mask &= *mask - 1;
    return lowest;
}

/* Two groups at a time have sums of their own: no instruction waits for the one before. Where no
 * group is 0, the loop is a plain one. */
INLINE void accumulate_block(const int8_t *weights, const int32_t *bias, size_t inputs,
                             const uint8_t *x, int32_t *accumulators, size_t rows, size_t vectors) {
    const size_t whole = inputs / GROUP_INPUTS, rest = inputs % GROUP_INPUTS;
    __m512i even[MOST_SUMS], odd[MOST_SUMS];
    FOR_UNROLLED(size_t i = 0; i < rows * vectors; i++) {
        even[i] = _mm512_loadu_si512(bias + i % vectors * ZMM_OUTPUTS);
        odd[i] = _mm512_setzero_si512();
    }
    for (size_t start = 0; start < whole; start += CHUNK_GROUPS) {
        const size_t left = whole - start, groups = left < CHUNK_GROUPS ? left : CHUNK_GROUPS;
        const uint8_t *chunk = x + start * GROUP_INPUTS;
        const int8_t *panel = weights + start * vectors * 64;
        const uint64_t all = ~UINT64_C(0) >> (CHUNK_GROUPS - groups);
        uint64_t found = whole > FEW_GROUPS ? find_nonzero(chunk, inputs, rows, groups) : all;
        if (found == all) {
            for (size_t group = 0; group + 2 <= groups; group += 2) {
                add_one_group(even, panel, chunk, inputs, group, rows, vectors);
                add_one_group(odd, panel, chunk, inputs, group + 1, rows, vectors);
            }
            found = groups % 2 ? UINT64_C(1) << (groups - 1) : 0;
        }
        while (found) {
            add_one_group(even, panel, chunk, inputs, take_lowest(&found), rows, vectors);
            if (found) add_one_group(odd, panel, chunk, inputs, take_lowest(&found), rows, vectors);
        }
    }
    if (rest)
        add_group(even, weights + whole * vectors * 64, x + whole * GROUP_INPUTS, inputs, rest,
                  rows, vectors);
    FOR_UNROLLED(size_t i = 0; i < rows * vectors; i++)
        _mm512_storeu_si512(accumulators + i / vectors * PANEL_OUTPUTS + i % vectors * ZMM_OUTPUTS,
                            _mm512_add_epi32(even[i], odd[i]));
}

/* Four rows share a load of weights where there are few, so that no sum waits for the one before.
 * Of four, fewer groups are 0 in all: where vectors are many, two rows do. */
INLINE void accumulate_rows(const int8_t *weights, const int32_t *bias, size_t inputs, size_t rows,
                            const uint8_t *x, int32_t *accumulators, size_t vectors) {
    size_t row = 0;
    if (vectors <= MOST_SUMS / 4 && rows == 4) {
        accumulate_block(weights, bias, inputs, x, accumulators, 4, vectors);
        return;
    }
    for (; row + 2 <= rows; row += 2)
        accumulate_block(weights, bias, inputs, x + row * inputs,
                         accumulators + row * PANEL_OUTPUTS, 2, vectors);
    if (row < rows)
        accumulate_block(weights, bias, inputs, x + row * inputs,
                         accumulators + row * PANEL_OUTPUTS, 1, vectors);
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

/* Add up each of TAIL_OUTPUTS vectors. */
INLINE __m128i sum_across(const __m512i *sums) {
    __m256i half[TAIL_OUTPUTS];
    FOR_UNROLLED(size_t i = 0; i < TAIL_OUTPUTS; i++)
        half[i] = _mm256_add_epi32(_mm512_castsi512_si256(sums[i]),
                                   _mm512_extracti64x4_epi64(sums[i], 1));
    const __m256i quarter =
        _mm256_hadd_epi32(_mm256_hadd_epi32(half[0], half[1]), _mm256_hadd_epi32(half[2], half[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(quarter), _mm256_extracti128_si256(quarter, 1));
}

/* Sums of the outputs of a tail: 64 inputs at a time, added up across the vectors at the end. */
INLINE void accumulate_outputs(const int8_t *weights, const int32_t *bias, size_t inputs,
                               const uint8_t *x, int32_t *accumulators, size_t outputs) {
    const size_t stride = round_up(inputs, TAIL_INPUTS);
    const __mmask8 given = (__mmask8)((1 << outputs) - 1);
    __m512i sums[TAIL_OUTPUTS];
    size_t k = 0;
    FOR_UNROLLED(size_t i = 0; i < TAIL_OUTPUTS; i++) sums[i] = _mm512_setzero_si512();
    for (; k + TAIL_INPUTS <= inputs; k += TAIL_INPUTS) {
        const __m512i input = _mm512_loadu_si512(x + k);
        FOR_UNROLLED(size_t i = 0; i < outputs; i++)
            sums[i] =
                _mm512_dpbusd_epi32(sums[i], input, _mm512_loadu_si512(weights + i * stride + k));
    }
    const __mmask64 valid = (UINT64_C(1) << (inputs - k)) - 1;
    const __m512i input = _mm512_maskz_loadu_epi8(valid, x + k);
    FOR_UNROLLED(size_t i = 0; i < outputs; i++)
        sums[i] = _mm512_dpbusd_epi32(sums[i], input,
                                      _mm512_maskz_loadu_epi8(valid, weights + i * stride + k));
    const __m128i start = _mm_maskz_loadu_epi32(given, bias);
    _mm512_storeu_si512(accumulators,
                        _mm512_zextsi128_si512(_mm_add_epi32(start, sum_across(sums))));
}

static void accumulate_tail(const int8_t *weights, const int32_t *bias, size_t inputs,
                            size_t outputs, size_t rows, const uint8_t *x, int32_t *accumulators) {
    for (size_t row = 0; row < rows; row++, x += inputs, accumulators += PANEL_OUTPUTS) {
        switch (outputs) {
            case 1: accumulate_outputs(weights, bias, inputs, x, accumulators, 1); break;
            case 2: accumulate_outputs(weights, bias, inputs, x, accumulators, 2); break;
            case 3: accumulate_outputs(weights, bias, inputs, x, accumulators, 3); break;
            default: accumulate_outputs(weights, bias, inputs, x, accumulators, 4);
        }
    }
}

/* Masks spare the loop over what vectors leave over. */
#define REQUANTIZE_FLOAT
static void requantize_float(const requantization *how, const float *scales, size_t rows,
                             size_t count, const int32_t *accumulators, uint8_t *y,
                             size_t y_stride) {
    const __m512i zero_point = _mm512_set1_epi32(how->zero_point);
    const __m512 low = _mm512_set1_ps((float)(how->low - how->zero_point));
    const __m512 high = _mm512_set1_ps((float)(how->high - how->zero_point));
    for (size_t i = 0; i < count; i += ZMM_OUTPUTS) {
        const size_t left = count - i;
        const __mmask16 valid = (__mmask16)(left < ZMM_OUTPUTS ? (1 << left) - 1 : 0xFFFF);
        const __m512 scale = _mm512_maskz_loadu_ps(valid, scales + i);
        for (size_t row = 0; row < rows; row++) {
            const __m512i sums =
                _mm512_maskz_loadu_epi32(valid, accumulators + row * PANEL_OUTPUTS + i);
            const __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale);
            const __m512i nearest =
                _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(value, low), high));
            _mm512_mask_cvtepi32_storeu_epi8(y + row * y_stride + i, valid,
                                             _mm512_add_epi32(nearest, zero_point));
        }
    }
}

enum { INPUT_OFFSET = 128 };

#include "../kernels/table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const strop_kernels strop_avx512vnni_kernels = STROP_KERNELS("avx512vnni");

#else
typedef int no_kernels; /* C wants something in a file */
#endif
