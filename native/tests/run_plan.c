/* Run a plan of one input and one output over raw rows, with the best kernels of this CPU:
 *
 *     run_plan PLAN INPUTS OUTPUTS      INPUTS, OUTPUTS: raw rows
 */
#include "files.h"

int main(int count, char **arguments) {
    size_t plan_bytes, input_bytes;
    strop_needs needs;
    strop_model *model;
    if (count != 4) return fprintf(stderr, "run_plan PLAN INPUTS OUTPUTS\n"), 2;
    const uint8_t *plan = read_file(arguments[1], &plan_bytes);
    const void *inputs = read_file(arguments[2], &input_bytes);
    const strop_kernels *kernels = strop_best_kernels();
    const char *reason = strop_check(plan, plan_bytes, &needs);
    if (!reason)
        reason = strop_prepare(plan, plan_bytes, kernels, take(needs.model_bytes),
                               needs.model_bytes, &model);
    if (reason) return fprintf(stderr, "%s\n", reason), 1;
    const size_t rows = input_bytes / strop_input(model, 0)->row_bytes;
    const size_t output_bytes = rows * strop_output(model, 0)->row_bytes;
    const size_t scratch_bytes = needs.run_bytes + needs.row_bytes * strop_tile_rows(&needs);
    void *outputs = take(output_bytes);
    reason = strop_run(model, rows, &inputs, &outputs, take(scratch_bytes), scratch_bytes);
    if (reason) return fprintf(stderr, "%s\n", reason), 1;
    FILE *file = fopen(arguments[3], "wb");
    if (!file || fwrite(outputs, 1, output_bytes, file) != output_bytes || fclose(file))
        return fprintf(stderr, "cannot write %s\n", arguments[3]), 2;
    printf("%zu rows, kernels %s\n", rows, strop_kernels_name(kernels));
    return 0;
}
