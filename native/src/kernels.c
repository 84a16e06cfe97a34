/* The sets of kernels in this library, and which of them the CPU runs. */
#include "kernels.h"

#include "cpu.h"

typedef struct {
    const strop_kernels *kernels;
    uint32_t needs; /* features of the CPU */
} candidate;

/* Fastest first. */
static const candidate candidates[] = {
#if defined(__x86_64__)
    {&strop_avx512vnni_kernels, CPU_AVX512_VNNI},
    {&strop_avxvnni_kernels, CPU_AVX_VNNI},
    {&strop_avx2_kernels, CPU_AVX2},
#endif
#if defined(__aarch64__)
    {&strop_dotprod_kernels, CPU_DOT_PRODUCT},
#endif
#if defined(__ARM_NEON) /* on 32-bit Arm: the library was compiled for CPUs that have it */
    {&strop_neon_kernels, 0},
#endif
#if defined(__wasm_simd128__)
    {&strop_simd128_kernels, 0},
#endif
#if !defined(STROP_WITHOUT_PLAIN) /* else every CPU runs one of the others */
    {&strop_plain_kernels, 0},
#endif
};

const strop_kernels *strop_kernels_at(uint32_t index) {
    const uint32_t features = cpu_features();
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        if (candidates[i].needs & ~features) continue;
        if (index-- == 0) return candidates[i].kernels;
    }
    return NULL;
}

const strop_kernels *strop_best_kernels(void) { return strop_kernels_at(0); }

const char *strop_kernels_name(const strop_kernels *kernels) { return kernels->name; }
