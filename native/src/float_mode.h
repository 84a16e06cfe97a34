/* The CPU's float mode: results must not depend on what the caller's thread has set. */
#ifndef STROP_FLOAT_MODE_H
#define STROP_FLOAT_MODE_H

#include <stdint.h>

#if defined(__SSE__)
#include <xmmintrin.h>
enum { FLOAT_MODE_BITS = 0xFFC0 }; /* rounding, flush-to-zero, denormals-are-zero, no traps */
enum { FLOAT_MODE = 0x1F80 };      /* nearest even, nothing flushed, no exception traps */
static inline uint64_t read_float_mode(void) { return _mm_getcsr(); }
static inline void write_float_mode(uint64_t mode) { _mm_setcsr((uint32_t)mode); }

#elif defined(__aarch64__)
enum { FLOAT_MODE_BITS = 0x3C09F07 }; /* rounding, flush-to-zero, default NaN, traps */
enum { FLOAT_MODE = 0 };
static inline uint64_t read_float_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void write_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }

#elif defined(__arm__) && defined(__ARM_FP) && !defined(__SOFTFP__)
enum { FLOAT_MODE_BITS = 0x3C09F00, FLOAT_MODE = 0 };
static inline uint64_t read_float_mode(void) {
    uint32_t mode;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(mode));
    return mode;
}
static inline void write_float_mode(uint64_t mode) {
    __asm__ volatile("vmsr fpscr, %0" ::"r"((uint32_t)mode));
}

#else /* no such mode: WebAssembly, soft float */
enum { FLOAT_MODE_BITS = 0, FLOAT_MODE = 0 };
static inline uint64_t read_float_mode(void) { return 0; }
static inline void write_float_mode(uint64_t mode) { (void)mode; }
#endif

/* Set the mode of IEEE 754, and return the caller's for float_mode_restore. */
static inline uint64_t float_mode_enter(void) {
    const uint64_t mode = read_float_mode();
    if ((mode & FLOAT_MODE_BITS) != FLOAT_MODE)
        write_float_mode((mode & ~(uint64_t)FLOAT_MODE_BITS) | FLOAT_MODE);
    return mode;
}

static inline void float_mode_restore(uint64_t mode) {
    if ((mode & FLOAT_MODE_BITS) != FLOAT_MODE) write_float_mode(mode);
}

#endif
