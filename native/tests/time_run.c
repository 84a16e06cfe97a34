/* Time a plan of one input and one output with each set of kernels:
 *
 *     time_run PLAN INPUTS      INPUTS: raw rows of the input
 */
#include <time.h>

#include "files.h"

enum { REPEATS = 201, ROWS = 512 }; /* short, so that most are not interrupted */

static double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Run all rows, `batch` in a call. */
static void run_all(const strop_model *model, const uint8_t *inputs, uint8_t *outputs, size_t rows,
                    size_t batch, void *scratch, size_t scratch_bytes) {
    const size_t in = strop_input(model, 0)->row_bytes, out = strop_output(model, 0)->row_bytes;
    for (size_t row = 0; row + batch <= rows; row += batch) {
        const void *x = inputs + row * in;
        void *y = outputs + row * out;
        if (strop_run(model, batch, &x, &y, scratch, scratch_bytes)) exit(1);
    }
}

int main(int count, char **arguments) {
    size_t plan_bytes, input_bytes;
    strop_needs needs;
    if (count != 3) return fprintf(stderr, "time_run PLAN INPUTS\n"), 2;
    const uint8_t *plan = read_file(arguments[1], &plan_bytes);
    const uint8_t *inputs = read_file(arguments[2], &input_bytes);
    const char *reason = strop_check(plan, plan_bytes, &needs);
    if (reason) return fprintf(stderr, "%s\n", reason), 1;
    const strop_kernels *kernels;
    for (uint32_t i = 0; (kernels = strop_kernels_at(i)); i++) {
        strop_model *model;
        if (strop_prepare(plan, plan_bytes, kernels, take(needs.model_bytes), needs.model_bytes,
                          &model))
            return 1;
        const size_t scratch_bytes = needs.run_bytes + needs.row_bytes * strop_tile_rows(&needs);
        size_t rows = input_bytes / strop_input(model, 0)->row_bytes;
        if (rows > ROWS) rows = ROWS;
        uint8_t *outputs = take(rows * strop_output(model, 0)->row_bytes);
        void *scratch = take(scratch_bytes);
        for (size_t batch = 1; batch <= 64; batch *= 64) {
            double times[REPEATS];
            for (size_t k = 0; k < REPEATS; k++) {
                const double start = now_us();
                run_all(model, inputs, outputs, rows, batch, scratch, scratch_bytes);
                times[k] = (now_us() - start) / (double)(rows / batch * batch);
            }
            qsort(times, REPEATS, sizeof *times, compare);
            printf("%-11s %2zu rows a call: median %.3f, least %.3f us a row\n",
                   strop_kernels_name(kernels), batch, times[REPEATS / 2], times[0]);
        }
    }
    return 0;
}
