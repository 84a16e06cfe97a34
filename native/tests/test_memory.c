/* The memory that the caller gives: refused where it cannot do, never written beyond. */
#include "files.h"
#include "networks.h"

static int failed;

static void expect(int holds, const char *what) {
    if (!holds) {
        printf("wrong: %s\n", what);
        failed = 1;
    }
}

/* Tell whether `count` bytes still have the value that they were filled with. */
static int untouched(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0xA5) return 0;
    return 1;
}

int main(void) {
    enum { GUARD = 256, ROWS = 3 };
    static plan_writer writer;
    strop_model *model = NULL;
    strop_needs needs;
    size_t plan_bytes;
    write_network(&writer);
    uint8_t *plan = write_plan(&writer, &plan_bytes);
    if (strop_check(plan, plan_bytes, &needs)) return 1;
    const strop_kernels *best = strop_best_kernels();

    uint8_t *memory = take(needs.model_bytes + GUARD);
    memset(memory, 0xA5, needs.model_bytes + GUARD);
    expect(strop_prepare(plan, plan_bytes, best, NULL, needs.model_bytes, &model) != NULL,
           "no memory");
    expect(strop_prepare(plan, plan_bytes, best, memory + 1, needs.model_bytes, &model) != NULL,
           "memory that is not aligned");
    expect(strop_prepare(plan, plan_bytes, best, memory, needs.model_bytes - 1, &model) != NULL,
           "memory that is too small");
    expect(untouched(memory, needs.model_bytes + GUARD), "a refusal writes nothing");
    expect(!strop_prepare(plan, plan_bytes, best, memory, needs.model_bytes + GUARD, &model),
           "enough");
    expect(untouched(memory + needs.model_bytes, GUARD), "memory behind the model");
    memset(plan, 0, plan_bytes); /* the model keeps nothing of it */
    free(plan);

    const size_t scratch_bytes = needs.run_bytes + needs.row_bytes; /* of one row */
    void *inputs[WRITER_RECORDS], *outputs[WRITER_RECORDS], *scratch = malloc(scratch_bytes);
    const void *const *given = (const void *const *)inputs;
    for (uint32_t i = 0; i < needs.inputs; i++)
        inputs[i] = calloc(ROWS, strop_input(model, i)->row_bytes);
    for (uint32_t i = 0; i < needs.outputs; i++) {
        const size_t out = strop_output(model, i)->row_bytes;
        outputs[i] = memset(malloc(ROWS * out + GUARD), 0xA5, ROWS * out + GUARD);
    }
    expect(!strop_input(model, needs.inputs) && !strop_output(model, needs.outputs),
           "no more borders");
    expect(
        needs.row_bytes > 0 && strop_run(model, ROWS, given, outputs, scratch, scratch_bytes - 1),
        "scratch that is too small");
    expect(!strop_run(model, 0, given, outputs, scratch, scratch_bytes), "no rows");
    for (uint32_t i = 0; i < needs.outputs; i++)
        expect(untouched(outputs[i], ROWS * strop_output(model, i)->row_bytes),
               "no rows write nothing");
    expect(!strop_run(model, ROWS, given, outputs, scratch, scratch_bytes), "three rows");
    for (uint32_t i = 0; i < needs.outputs; i++) {
        const size_t out = ROWS * strop_output(model, i)->row_bytes;
        expect(untouched((uint8_t *)outputs[i] + out, GUARD), "memory behind an output");
        free(outputs[i]);
    }
    free(scratch);
    for (uint32_t i = 0; i < needs.inputs; i++) free(inputs[i]);
    free(memory);
    printf("memory: %s\n", failed ? "wrong" : "as said");
    return failed;
}
