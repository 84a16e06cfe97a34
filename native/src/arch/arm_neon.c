/* NEON without the dot product, AArch64 and 32-bit: products of bytes have 16 bits. Two of them fit
 * 16 bits, as no weight is -128. */
#if defined(__ARM_NEON)
#include <arm_neon.h>
#include <string.h>

#include "../kernels.h"
#include "../unroll.h"

#if defined(__aarch64__)
typedef float lanes __attribute__((vector_size(16)));
enum { LANES = 4 };
#else
/* 32-bit NEON flushes denormal numbers to 0: floats stay out of it. */
typedef float lanes;
enum { LANES = 1 };
#endif

enum { D_OUTPUTS = 2 };                  /* each has two sums in a register: of two inputs each */
enum { SUMS = PAD_OUTPUTS / D_OUTPUTS }; /* registers of sums, of 16 */

/* Load a group of inputs, twice over, as int8 again. */
INLINE int8x8_t load_group(const uint8_t *x, size_t count) {
    uint32_t group = 0;
    memcpy(&group, x, count);
    return vreinterpret_s8_u32(vdup_n_u32(group ^ 0x80808080));
}

INLINE void add_group(int32x4_t *sums, const int8_t *weights, int8x8_t input) {
    FOR_UNROLLED(size_t i = 0; i < SUMS; i++)
        sums[i] = vpadalq_s16(sums[i], vmull_s8(vld1_s8(weights + i * 8), input));
}

INLINE void add_two_groups(int32x4_t *sums, const int8_t *first, const int8_t *second,
                           int8x8_t input, int8x8_t next) {
    FOR_UNROLLED(size_t i = 0; i < SUMS; i++) {
        const int16x8_t product = vmull_s8(vld1_s8(first + i * 8), input);
        sums[i] = vpadalq_s16(sums[i], vmlal_s8(product, vld1_s8(second + i * 8), next));
    }
}

INLINE int32x2_t join(int32x4_t sums) { return vpadd_s32(vget_low_s32(sums), vget_high_s32(sums)); }

/* Sums of PAD_OUTPUTS outputs in one row. */
static void accumulate_piece(const int8_t *weights, size_t width, const int32_t *bias,
                             size_t inputs, const uint8_t *x, int32_t *accumulators) {
    const size_t group_bytes = width * GROUP_INPUTS;
    int32x4_t sums[SUMS];
    size_t k = 0;
    FOR_UNROLLED(size_t i = 0; i < SUMS; i++) sums[i] = vdupq_n_s32(0);
    for (; k + 2 * GROUP_INPUTS <= inputs; k += 2 * GROUP_INPUTS, weights += 2 * group_bytes)
        add_two_groups(sums, weights, weights + group_bytes, load_group(x + k, GROUP_INPUTS),
                       load_group(x + k + GROUP_INPUTS, GROUP_INPUTS));
    for (; k + GROUP_INPUTS <= inputs; k += GROUP_INPUTS, weights += group_bytes)
        add_group(sums, weights, load_group(x + k, GROUP_INPUTS));
    if (k < inputs) add_group(sums, weights, load_group(x + k, inputs - k));
    FOR_UNROLLED(size_t i = 0; i < SUMS; i++) {
        const int32x2_t start = vld1_s32(bias + i * D_OUTPUTS);
        vst1_s32(accumulators + i * D_OUTPUTS, vadd_s32(start, join(sums[i])));
    }
}

static void accumulate(const int8_t *weights, const int32_t *bias, size_t inputs, size_t width,
                       size_t rows, const uint8_t *x, int32_t *accumulators) {
    for (size_t row = 0; row < rows; row++, x += inputs, accumulators += PANEL_OUTPUTS)
        for (size_t i = 0; i < width; i += PAD_OUTPUTS)
            accumulate_piece(weights + i * GROUP_INPUTS, width, bias + i, inputs, x,
                             accumulators + i);
}

enum { INPUT_OFFSET = 0 };

#include "../kernels/int8_tail.h"
#include "../kernels/table.h"

const strop_kernels strop_neon_kernels = STROP_KERNELS("neon");

#else
typedef int no_kernels; /* C wants something in a file */
#endif
