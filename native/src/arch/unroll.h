/* Loops over registers: they must be unrolled in full, or the compiler keeps the array in memory. */
#ifndef STROP_UNROLL_H
#define STROP_UNROLL_H

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

/* For functions whose sizes are constants of the call. */
#define INLINE static inline __attribute__((always_inline))

#endif
