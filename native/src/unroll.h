/* Loops over registers are unrolled in full, or the compiler keeps the array in memory. */
#ifndef STROP_UNROLL_H
#define STROP_UNROLL_H

#if defined(__clang__)
#define FOR_UNROLLED(...) _Pragma("clang loop unroll(full)") for (__VA_ARGS__)
#else
#define FOR_UNROLLED(...) _Pragma("GCC unroll 64") for (__VA_ARGS__)
#endif

/* For functions whose sizes are constants of the call. */
#define INLINE static inline __attribute__((always_inline))

#endif
