/* WebAssembly's 128-bit vectors. Bytes are widened to 16 bits for the dot product of pairs. */
#if defined(__wasm_simd128__)
#include <string.h>
#include <wasm_simd128.h>

#include "../kernels.h"
#include "../unroll.h"

typedef float lanes __attribute__((vector_size(16)));
enum { LANES = 4 };
enum { V_OUTPUTS = 2 }; /* each has two sums in a vector: of two inputs each */
enum { SUMS = PAD_OUTPUTS / V_OUTPUTS };

/* Add a group of inputs up, unless it is 0. */
INLINE void add_group(v128_t *sums, const int8_t *weights, const uint8_t *x, size_t count) {
    uint32_t group = 0;
    memcpy(&group, x, count);
    if (!group) return;
    const v128_t input = wasm_u16x8_extend_low_u8x16(wasm_u32x4_splat(group));
    FOR_UNROLLED(size_t i = 0; i < SUMS; i += 2) {
        const v128_t weight = wasm_v128_load(weights + i * 8);
        sums[i] = wasm_i32x4_add(sums[i],
                                 wasm_i32x4_dot_i16x8(input, wasm_i16x8_extend_low_i8x16(weight)));
        sums[i + 1] = wasm_i32x4_add(
            sums[i + 1], wasm_i32x4_dot_i16x8(input, wasm_i16x8_extend_high_i8x16(weight)));
    }
}

/* Sums of PAD_OUTPUTS outputs in one row. */
static void accumulate_piece(const int8_t *weights, size_t width, const int32_t *bias,
                             size_t inputs, const uint8_t *x, int32_t *accumulators) {
    v128_t sums[SUMS];
    size_t k = 0;
    FOR_UNROLLED(size_t i = 0; i < SUMS; i++) sums[i] = wasm_i32x4_const_splat(0);
    for (; k + GROUP_INPUTS <= inputs; k += GROUP_INPUTS, weights += width * GROUP_INPUTS)
        add_group(sums, weights, x + k, GROUP_INPUTS);
    if (k < inputs) add_group(sums, weights, x + k, inputs - k);
    FOR_UNROLLED(size_t i = 0; i < SUMS; i += 2) {
        const v128_t even = wasm_i32x4_shuffle(sums[i], sums[i + 1], 0, 2, 4, 6);
        const v128_t odd = wasm_i32x4_shuffle(sums[i], sums[i + 1], 1, 3, 5, 7);
        const v128_t start = wasm_v128_load(bias + i * V_OUTPUTS);
        wasm_v128_store(accumulators + i * V_OUTPUTS,
                        wasm_i32x4_add(start, wasm_i32x4_add(even, odd)));
    }
}

static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators) {
    for (size_t row = 0; row < rows; row++, x += inputs, accumulators += PANEL_OUTPUTS)
        for (size_t i = 0; i < width; i += PAD_OUTPUTS)
            accumulate_piece(weights + i * GROUP_INPUTS, width, bias + i, inputs, x,
                             accumulators + i);
}

enum { INPUT_OFFSET = 128, STEP_INPUTS = 16 };

/* Add the products of 16 inputs to four sums. */
INLINE v128_t add_step(v128_t sums, const uint8_t *x, const int8_t *weights) {
    const v128_t input = wasm_v128_load(x), weight = wasm_v128_load(weights);
    sums = wasm_i32x4_add(sums, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(input),
                                                     wasm_i16x8_extend_low_i8x16(weight)));
    return wasm_i32x4_add(sums, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(input),
                                                     wasm_i16x8_extend_high_i8x16(weight)));
}

typedef v128_t vector_sums;

INLINE vector_sums no_sums(void) { return wasm_i32x4_const_splat(0); }

INLINE int32_t sum_across(vector_sums a, vector_sums b) {
    const v128_t sums = wasm_i32x4_add(a, b);
    return wasm_i32x4_extract_lane(sums, 0) + wasm_i32x4_extract_lane(sums, 1) +
           wasm_i32x4_extract_lane(sums, 2) + wasm_i32x4_extract_lane(sums, 3);
}

#include "../kernels/table.h"
#include "../kernels/vector_tail.h"

const strop_kernels strop_simd128_kernels = STROP_KERNELS("simd128");

#else
typedef int no_kernels; /* C wants something in a file */
#endif
