/* Numbers that are the same in every run and on every machine. */
#ifndef STROP_TEST_RANDOM_H
#define STROP_TEST_RANDOM_H

#include <stdint.h>
#include <string.h>

static uint64_t random_state = 88172645463325252u;

/* xorshift64 */
static inline uint32_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

/* An integer of low..high. */
static inline int32_t random_int(int32_t low, int32_t high) {
    return low + (int32_t)(next_random() % (uint32_t)(high - low + 1));
}

/* A float of low..high. */
static inline float random_float(float low, float high) {
    return low + (high - low) * ((float)(next_random() >> 8) / 16777216.0f);
}

static inline float float_from(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A float that is often an edge: zeros, denormals, infinities, NaN, thresholds, halves. */
static inline float random_edge(void) {
    static const uint32_t edges[] = {0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x00800000,
                                     0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000,
                                     0x42B00000, 0xC2AE0000, 0x42B00001, 0xC2AE0001, 0x3F200000,
                                     0xBF200000, 0x3F000000, 0xBF000000, 0x40200000, 0xC0200000,
                                     0x3EFFFFFF, 0x43000000, 0xC3008000, 0x40C00000};
    const uint32_t choice = next_random() % 64;
    if (choice < sizeof edges / sizeof *edges) return float_from(edges[choice]);
    if (choice < 30) return float_from(next_random());
    return random_float(-20.0f, 20.0f);
}

#endif
