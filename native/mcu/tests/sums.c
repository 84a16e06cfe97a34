/* A model for the tests of the self-check: a and b, 4 bytes each; their sums and, in a's place,
 * their differences. BROKEN: one sum of the second sample is wrong. IDLE: it computes nothing. */
#include "strop_mcu.h"

static const strop_array ARRAYS[] = {
    {"a", 0, 4}, {"b", 4, 4}, {"sums", 8, 4}, {"differences", 0, 4}};

static void run(void *arena) {
#ifdef IDLE
    (void)arena;
#else
    uint8_t *at = arena;
    for (int i = 0; i < 4; i++) {
        at[8 + i] = (uint8_t)(at[i] + at[4 + i]);
        at[i] = (uint8_t)(at[i] - at[4 + i]);
    }
#ifdef BROKEN
    if (at[8] == 30) at[8] ^= 1;
#endif
#endif
}

static const strop_model SUMS = {
    "sums", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 12, 2, 2, ARRAYS,
    run};

static const uint8_t A[] = {1, 2, 3, 4, 10, 20, 30, 40, 255, 255, 255, 255};
static const uint8_t B[] = {1, 1, 1, 1, 20, 30, 40, 50, 1, 2, 3, 4};
static const uint8_t ADDED[] = {2, 3, 4, 5, 30, 50, 70, 90, 0, 1, 2, 3};
static const uint8_t SUBTRACTED[] = {0, 1, 2, 3, 246, 246, 246, 246, 254, 253, 252, 251};
static const uint8_t *const INPUTS[] = {A, B};
static const uint8_t *const OUTPUTS[] = {ADDED, SUBTRACTED};

extern const strop_golden sums_golden;
const strop_golden sums_golden = {&SUMS, 3, INPUTS, OUTPUTS};
