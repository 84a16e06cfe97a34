/* What this CPU, and its system, can run. */
#ifndef STROP_CPU_H
#define STROP_CPU_H

#include <stdint.h>

enum { CPU_AVX2 = 1, CPU_AVX_VNNI = 2, CPU_AVX512_VNNI = 4, CPU_DOT_PRODUCT = 8 };

uint32_t cpu_features(void);

#endif
