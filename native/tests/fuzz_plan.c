/* Mutate plans, and run those that are still accepted: with ASan and UBSan, nothing may be
 * reported, and every set of kernels gives the bits of plain C.
 *
 *     fuzz_plan ITERATIONS [SEED-PLAN...]     besides random networks
 */
#include "networks.h"
#include "runs.h"

enum {
    NETWORKS = 40,
    MOST_SEEDS = 64,
    MOST_MODEL = 1 << 24,
    MOST_ROW = 1 << 20,
    MOST_WORK = 1 << 22
};

typedef struct {
    uint8_t *bytes;
    size_t count;
} seed_plan;

typedef enum { REFUSED, LARGE, RUN } outcome;

static const uint32_t interesting[] = {
    0,          1,          2,          3,          4,          7,          16,         63,
    64,         65,         0x7F,       0x80,       0xFF,       0x100,      0xFFFF,     0x10000,
    0x10001,    0xFFFFFF,   0x1000000,  0x1000001,  0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF,
    0x3F800000, 0x7F800000, 0x7FC00000, 0x00800000, 0x007FFFFF, 0xFFFFFFC0};

static uint32_t u32_in(const uint8_t *plan, size_t at) {
    uint32_t value;
    memcpy(&value, plan + at, sizeof value);
    return value;
}

/* Give the end of the records, or of a file that is cut or has no such end. */
static size_t records_end(const uint8_t *plan, size_t count) {
    const uint32_t data_at = count >= 64 ? u32_in(plan, 44) : 0;
    return data_at > 64 && data_at <= count ? data_at : count;
}

static uint32_t changed_number(uint32_t value) {
    switch (next_random() % 3) {
        case 0: return interesting[next_random() % (sizeof interesting / 4)];
        case 1: return value + 1;
        default: return value - 1;
    }
}

/* Find a random record of the tensors or of the steps, or NULL if the header is not sound. */
static uint8_t *random_record(uint8_t *plan, size_t count, int steps) {
    const size_t bytes = steps ? 32 : 56;
    const size_t start = u32_in(plan, steps ? 36 : 32), records = u32_in(plan, steps ? 20 : 16);
    if (!records || start > count || records > (count - start) / bytes) return NULL;
    return plan + start + next_random() % records * bytes;
}

/* Change a size in all tensors that have it, so that shapes still fit each other. */
static void change_size(uint8_t *plan, size_t count) {
    const uint8_t *record = random_record(plan, count, 0);
    if (!record) return;
    const size_t start = u32_in(plan, 32), end = start + u32_in(plan, 16) * (size_t)56;
    const uint32_t size = u32_in(record, 8 + next_random() % 2 * 4);
    if (!size) return;
    const uint32_t other = next_random() % 4 ? 1 + next_random() % size : changed_number(size);
    for (size_t tensor = start; tensor < end; tensor += 56)
        for (size_t at = tensor + 8; at < tensor + 32; at += 4)
            if (u32_in(plan, at) == size) put_u32(plan + at, other);
}

/* Give a field of a tensor a value that such a field may have. */
static void change_tensor(uint8_t *plan, size_t count) {
    uint8_t *record = random_record(plan, count, 0);
    if (!record) return;
    switch (next_random() % 6) {
        case 0: put_u32(record, next_random() % 5); break;
        case 1: put_u32(record + 4, next_random() % 8); break;
        case 2: put_u32(record + 8 + next_random() % 6 * 4, 1 + next_random() % 70); break;
        case 3:
            put_float(record + 32, next_random() % 2 ? random_edge() : random_float(0, 1));
            break;
        case 4: put_u32(record + 36, (uint32_t)random_int(-130, 257)); break;
        default: put_u32(record + 40 + next_random() % 3 * 4, next_random() % 64 * 64);
    }
}

/* Give a field of a step a value that such a field may have. */
static void change_step(uint8_t *plan, size_t count) {
    uint8_t *record = random_record(plan, count, 1);
    if (!record) return;
    const uint32_t tensor = next_random() % (u32_in(plan, 16) % MAX_TENSORS + 1);
    switch (next_random() % 6) {
        case 0: put_u32(record, next_random() % (OP_TRANSPOSE + 2)); break;
        case 1:
            put_u32(record + 4 + next_random() % 3 * 4, next_random() % 4 ? tensor : NONE);
            break;
        case 2: put_u32(record + 16, tensor); break;
        case 3: put_u32(record + 20, next_random() % 4); break;
        case 4:
            record[24 + next_random() % PARAMETERS] =
                (uint8_t)(next_random() % (next_random() % 4 ? 8 : 256));
            break;
        default: put_float(record + 24, random_edge());
    }
}

static void copy_record(uint8_t *plan, size_t count) {
    const int steps = next_random() & 1;
    uint8_t *from = random_record(plan, count, steps), *to = random_record(plan, count, steps);
    if (from) memmove(to, from, steps ? 32 : 56);
}

/* Change a number, without a thought of what it means. */
static void change_word(uint8_t *plan, size_t count) {
    const size_t end = records_end(plan, count);
    /* Most of what can go wrong is in the records before the data. */
    const size_t at = next_random() % (next_random() % 8 ? end : count);
    const size_t word = at < count / 4 * 4 ? at / 4 * 4 : 0;
    switch (next_random() % 4) {
        case 0: plan[at] ^= (uint8_t)(1u << next_random() % 8); break;
        case 1: plan[at] = (uint8_t)next_random(); break;
        case 2: put_u32(plan + word, changed_number(u32_in(plan, word))); break;
        default: put_u32(plan + word, u32_in(plan, next_random() % (end / 4) * 4));
    }
}

static void mutate(uint8_t *plan, size_t *count) {
    for (int changes = random_int(1, 3); changes > 0; changes -= random_int(1, 3)) {
        switch (next_random() % 8) {
            case 0:
            case 1: change_size(plan, *count); break;
            case 2: change_tensor(plan, *count); break;
            case 3:
            case 4: change_step(plan, *count); break;
            case 5: copy_record(plan, *count); break;
            default: change_word(plan, *count);
        }
    }
    if (next_random() % 64 == 0) *count = next_random() % (*count + 1);
}

/* Run a plan by each set of kernels, and compare the outputs with those of plain C. */
static void run_plan(const uint8_t *plan, size_t count, const strop_needs *needs) {
    const size_t rows = (size_t)random_int(0, 6);
    strop_model *plain = prepare(plan, count, &strop_plain_kernels, needs);
    void *inputs[MOST_BORDERS];
    for (uint32_t i = 0; i < needs->inputs; i++)
        inputs[i] = random_input(strop_input(plain, i), rows);
    const void *const *given = (const void *const *)inputs;
    results expected, got;
    run(plain, needs, rows, given, 1, 0x00, &expected);
    const strop_kernels *kernels;
    for (uint32_t i = 0; (kernels = strop_kernels_at(i)); i++) {
        strop_model *model = prepare(plan, count, kernels, needs);
        run(model, needs, rows, given, (size_t)random_int(1, 6), 0xFF, &got);
        for (uint32_t k = 0; k < needs->outputs; k++) {
            const strop_border *output = strop_output(plain, k);
            if (!differences(output, expected.outputs[k], got.outputs[k], rows)) continue;
            printf("output %u differs between plain and %s\n", k, strop_kernels_name(kernels));
            exit(1);
        }
        release(needs, model, &got);
    }
    for (uint32_t i = 0; i < needs->inputs; i++) free_values(strop_input(plain, i), inputs[i]);
    release(needs, plain, &expected);
}

static outcome try_plan(const uint8_t *plan, size_t count) {
    strop_needs needs;
    if (strop_check(plan, count, &needs)) return REFUSED;
    if (needs.model_bytes > MOST_MODEL || needs.row_bytes > MOST_ROW || needs.work > MOST_WORK ||
        needs.inputs > MOST_BORDERS || needs.outputs > MOST_BORDERS)
        return LARGE;
    run_plan(plan, count, &needs);
    return RUN;
}

int main(int count, char **arguments) {
    static plan_writer writer;
    static seed_plan seeds[MOST_SEEDS];
    const int iterations = count > 1 ? atoi(arguments[1]) : 1000;
    int seed_count = 0, outcomes[3] = {0}, records_changed = 0;
    for (; seed_count < NETWORKS; seed_count++) {
        write_network(&writer);
        seeds[seed_count].bytes = write_plan(&writer, &seeds[seed_count].count);
    }
    for (int i = 2; i < count && seed_count < MOST_SEEDS; i++, seed_count++)
        seeds[seed_count].bytes = read_file(arguments[i], &seeds[seed_count].count);
    for (int i = 0; i < seed_count; i++)
        if (try_plan(seeds[i].bytes, seeds[i].count) != RUN)
            return printf("seed %d is refused or large\n", i), 1;
    for (int i = 0; i < iterations; i++) {
        const seed_plan *seed = &seeds[next_random() % (uint32_t)seed_count];
        uint8_t *changed = memcpy(malloc(seed->count), seed->bytes, seed->count);
        size_t changed_count = seed->count;
        mutate(changed, &changed_count);
        /* It has any alignment, and ends where its memory ends. */
        const size_t offset = next_random() % 4;
        uint8_t *memory = malloc(offset + changed_count);
        if (changed_count) memcpy(memory + offset, changed, changed_count);
        const outcome tried = try_plan(memory + offset, changed_count);
        outcomes[tried]++;
        records_changed += tried == RUN &&
                           memcmp(changed, seed->bytes, records_end(seed->bytes, seed->count)) != 0;
        free(memory);
        free(changed);
        if ((i + 1) % 50000 == 0) fprintf(stderr, "%d tried, %d run\n", i + 1, outcomes[RUN]);
    }
    for (int i = 0; i < seed_count; i++) free(seeds[i].bytes);
    printf(
        "%d mutants of %d plans: %d refused, %d accepted and run (%d with changed records), "
        "%d accepted and too large to run here\n",
        iterations, seed_count, outcomes[REFUSED], outcomes[RUN], records_changed, outcomes[LARGE]);
    return outcomes[RUN] == 0;
}
