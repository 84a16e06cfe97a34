/* Random networks: every set of kernels gives the bits of plain C, whatever the tile and the float
 * mode of the caller.
 *
 *     test_networks COUNT
 */
#include "networks.h"
#include "runs.h"

#if defined(__SSE__)
#include <xmmintrin.h>
/* Flush denormals, take them for 0, round upwards. */
static void spoil_float_mode(void) { _mm_setcsr(_mm_getcsr() | 0x8040 | 0x4000); }
static void mend_float_mode(void) { _mm_setcsr(0x1F80); }
#elif defined(__aarch64__)
static void set_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }
static void spoil_float_mode(void) { set_mode(UINT64_C(1) << 24 | UINT64_C(1) << 22); }
static void mend_float_mode(void) { set_mode(0); }
#elif defined(__arm__) && defined(__ARM_FP) && !defined(__SOFTFP__)
static void set_mode(uint32_t mode) { __asm__ volatile("vmsr fpscr, %0" ::"r"(mode)); }
static void spoil_float_mode(void) { set_mode(UINT32_C(1) << 24 | UINT32_C(1) << 22); }
static void mend_float_mode(void) { set_mode(0); }
#else
static void spoil_float_mode(void) {}
static void mend_float_mode(void) {}
#endif

enum { MOST_ROWS = 70 }; /* more than a tile */

/* Add every bit of the outputs to a checksum, which machines can compare. */
static void add_up(const strop_border *border, const uint8_t *bytes, size_t rows,
                   uint64_t *checksum) {
    for (size_t i = 0; i < border->row_bytes * rows; i++) {
        if (border->dtype == STROP_FLOAT32 && isnan(plan_float_at(bytes, i / 4))) continue;
        *checksum = (*checksum ^ bytes[i]) * UINT64_C(1099511628211);
    }
}

static size_t test_network(plan_writer *writer, uint64_t *checksum) {
    size_t plan_bytes, wrong = 0;
    strop_needs needs;
    write_network(writer);
    uint8_t *plan = write_plan(writer, &plan_bytes);
    const char *reason = strop_check(plan, plan_bytes, &needs);
    if (reason) {
        printf("a sound plan was refused: %s\n", reason);
        exit(1);
    }
    const size_t rows = (size_t)(next_random() % 4 ? random_int(1, 9) : random_int(60, MOST_ROWS));
    strop_model *plain = prepare(plan, plan_bytes, &strop_plain_kernels, &needs);
    void *inputs[MOST_BORDERS];
    for (uint32_t i = 0; i < needs.inputs; i++)
        inputs[i] = random_input(strop_input(plain, i), rows);
    const void *const *given = (const void *const *)inputs;
    results expected, got;
    run(plain, &needs, rows, given, 1, 0x00, &expected);
    const strop_kernels *kernels;
    for (uint32_t i = 0; (kernels = strop_kernels_at(i)); i++) {
        strop_model *model = prepare(plan, plan_bytes, kernels, &needs);
        spoil_float_mode();
        run(model, &needs, rows, given, STROP_TILE_ROWS, 0xFF, &got);
        mend_float_mode();
        for (uint32_t k = 0; k < needs.outputs; k++)
            wrong += differences(strop_output(plain, k), expected.outputs[k], got.outputs[k], rows);
        release(&needs, model, &got);
    }
    for (uint32_t k = 0; k < needs.outputs; k++)
        add_up(strop_output(plain, k), expected.outputs[k], rows, checksum);
    for (uint32_t i = 0; i < needs.inputs; i++) free_values(strop_input(plain, i), inputs[i]);
    release(&needs, plain, &expected);
    free(plan);
    return wrong;
}

int main(int count, char **arguments) {
    static plan_writer writer;
    const int networks = count > 1 ? atoi(arguments[1]) : 100;
    uint64_t checksum = UINT64_C(14695981039346656037);
    size_t wrong = 0;
    for (int i = 0; i < networks; i++) wrong += test_network(&writer, &checksum);
    printf("%d networks, checksum %016llx, kernels", networks, (unsigned long long)checksum);
    for (uint32_t i = 0; strop_kernels_at(i); i++)
        printf(" %s", strop_kernels_name(strop_kernels_at(i)));
    printf(": %zu values differ\n", wrong);
    return wrong != 0;
}
