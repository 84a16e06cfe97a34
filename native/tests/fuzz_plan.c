/* Mutate plans, and run those that are still accepted: with ASan and UBSan, nothing may be
 * reported.
 *
 *     fuzz_plan ITERATIONS [SEED-PLAN...]     without seeds: random networks
 */
#include "files.h"
#include "networks.h"

enum { MOST_SEEDS = 64, MOST_BYTES = 1 << 26, MOST_BORDERS = 64 };

typedef struct {
    uint8_t *bytes;
    size_t count;
} seed_plan;

static const uint32_t interesting[] = {
    0,          1,          2,          3,          4,          7,          16,         63,
    64,         65,         0x7F,       0x80,       0xFF,       0x100,      0xFFFF,     0x10000,
    0x10001,    0xFFFFFF,   0x1000000,  0x1000001,  0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF,
    0x3F800000, 0x7F800000, 0x7FC00000, 0x00800000, 0x007FFFFF, 0xFFFFFFC0};

/* Most of what can go wrong is in the records before the data. */
static size_t mutable_bytes(const uint8_t *plan, size_t count) {
    uint32_t data_at = 0;
    if (count >= 64) memcpy(&data_at, plan + 44, sizeof data_at);
    return data_at > 64 && data_at <= count && next_random() % 8 ? data_at : count;
}

static void mutate(uint8_t *plan, size_t *count) {
    for (int changes = random_int(1, 3); changes > 0 && *count; changes--) {
        const size_t range = mutable_bytes(plan, *count);
        const size_t at = next_random() % range;
        const size_t word = at / 4 * 4;
        switch (next_random() % 6) {
            case 0: plan[at] ^= (uint8_t)(1u << next_random() % 8); break;
            case 1: plan[at] = (uint8_t)next_random(); break;
            case 2:
                if (word + 4 <= *count)
                    put_u32(plan + word, interesting[next_random() % (sizeof interesting / 4)]);
                break;
            case 3: /* a number that is elsewhere in the plan */
                if (word + 4 <= *count && range >= 4)
                    memcpy(plan + word, plan + next_random() % (range / 4) * 4, 4);
                break;
            case 4: /* one more or less */
                if (word + 4 <= *count) {
                    uint32_t value;
                    memcpy(&value, plan + word, 4);
                    put_u32(plan + word, value + (next_random() & 1 ? 1 : UINT32_MAX));
                }
                break;
            default:
                if (next_random() % 8 == 0) *count = next_random() % (*count + 1);
        }
    }
}

/* Run with memory that is exactly as large as the engine said. */
static void run(const strop_model *model, const strop_needs *needs) {
    const size_t rows = (size_t)random_int(0, 3), tile_rows = (size_t)random_int(1, 2);
    void *inputs[MOST_BORDERS], *outputs[MOST_BORDERS];
    for (uint32_t i = 0; i < needs->inputs; i++) {
        const size_t bytes = strop_input(model, i)->row_bytes * rows;
        inputs[i] = malloc(bytes + 1);
        for (size_t k = 0; k < bytes; k++) ((uint8_t *)inputs[i])[k] = (uint8_t)next_random();
    }
    for (uint32_t i = 0; i < needs->outputs; i++)
        outputs[i] = malloc(strop_output(model, i)->row_bytes * rows + 1);
    void *scratch = malloc(needs->row_bytes * tile_rows + 1);
    if (strop_run(model, rows, (const void *const *)inputs, outputs, scratch,
                  needs->row_bytes * tile_rows))
        abort(); /* there is enough scratch */
    free(scratch);
    for (uint32_t i = 0; i < needs->inputs; i++) free(inputs[i]);
    for (uint32_t i = 0; i < needs->outputs; i++) free(outputs[i]);
}

/* Tell whether the plan is accepted. */
static int try_plan(const uint8_t *plan, size_t count) {
    strop_needs needs;
    strop_model *model;
    if (strop_check(plan, count, &needs)) return 0;
    if (needs.model_bytes > MOST_BYTES || needs.row_bytes > MOST_BYTES ||
        needs.inputs > MOST_BORDERS || needs.outputs > MOST_BORDERS)
        return 1;
    const strop_kernels *kernels;
    for (uint32_t i = 0; (kernels = strop_kernels_at(i)); i++) {
        void *memory = take(needs.model_bytes);
        if (strop_prepare(plan, count, kernels, memory, needs.model_bytes, &model)) abort();
        run(model, &needs);
        free(memory);
    }
    return 1;
}

static uint8_t *copy(const uint8_t *bytes, size_t count) {
    uint8_t *copied = malloc(count ? count : 1);
    return memcpy(copied, bytes, count);
}

int main(int count, char **arguments) {
    static plan_writer writer;
    static seed_plan seeds[MOST_SEEDS];
    const int iterations = count > 1 ? atoi(arguments[1]) : 1000;
    int seed_count = 0, accepted = 0;
    for (int i = 2; i < count && seed_count < MOST_SEEDS; i++, seed_count++)
        seeds[seed_count].bytes = read_file(arguments[i], &seeds[seed_count].count);
    for (; seed_count < (count > 2 ? count - 2 : 40); seed_count++) {
        write_network(&writer);
        seeds[seed_count].bytes = write_plan(&writer, &seeds[seed_count].count);
    }
    for (int i = 0; i < seed_count; i++)
        if (!try_plan(seeds[i].bytes, seeds[i].count)) return printf("a seed is refused\n"), 1;
    for (int i = 0; i < iterations; i++) {
        const seed_plan *seed = &seeds[next_random() % (uint32_t)seed_count];
        uint8_t *changed = copy(seed->bytes, seed->count);
        size_t changed_count = seed->count;
        mutate(changed, &changed_count);
        uint8_t *plan = copy(changed, changed_count); /* exactly as large */
        accepted += try_plan(plan, changed_count);
        free(plan);
        free(changed);
    }
    for (int i = 0; i < seed_count; i++) free(seeds[i].bytes);
    printf("%d plans of %d seeds: %d accepted and run, %d refused\n", iterations, seed_count,
           accepted, iterations - accepted);
    return 0;
}
