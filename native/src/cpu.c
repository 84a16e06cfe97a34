/* Features by cpuid on x86-64, and by what the kernel tells on AArch64. */
#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* The vector registers that the system saves when it switches threads. */
static uint64_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

uint32_t cpu_features(void) {
    enum { OSXSAVE = 1 << 27, AVX = 1 << 28 }; /* leaf 1, ecx */
    enum { AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17, AVX512BW = 1 << 30 }; /* 7, ebx */
    const uint32_t AVX512VL = UINT32_C(1) << 31;
    enum { AVX512VNNI = 1 << 11 };   /* leaf 7, ecx */
    enum { AVXVNNI = 1 << 4 };       /* leaf 7.1, eax */
    enum { YMM = 0x06, ZMM = 0xE6 }; /* saved_registers */
    const uint32_t avx512 = AVX512F | AVX512DQ | AVX512BW | AVX512VL;
    uint32_t a, b, c, d, features = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE) || !(c & AVX)) return 0;
    const uint64_t saved = saved_registers();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if ((saved & YMM) == YMM && (b & AVX2)) features |= CPU_AVX2;
    if ((saved & ZMM) == ZMM && (b & avx512) == avx512 && (c & AVX512VNNI))
        features |= CPU_AVX512_VNNI;
    if (features & CPU_AVX2 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & AVXVNNI))
        features |= CPU_AVX_VNNI;
    return features;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

uint32_t cpu_features(void) {
    enum { HAS_DOT_PRODUCT = 1 << 20 }; /* HWCAP_ASIMDDP */
    return getauxval(AT_HWCAP) & HAS_DOT_PRODUCT ? CPU_DOT_PRODUCT : 0;
}

#elif defined(__aarch64__) && defined(__APPLE__)
/* Every Apple CPU that runs macOS on Arm has the dot product. */
uint32_t cpu_features(void) { return CPU_DOT_PRODUCT; }

#else
uint32_t cpu_features(void) { return 0; }
#endif
