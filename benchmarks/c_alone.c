/* Time one image a call from C: Strop's core, and the loop by hand, in turns.
 *
 *     c_alone PLAN IMAGES ROUNDS      IMAGES: raw rows of 784 bytes
 *
 * It prints the number of images with another class, then a line a round: microseconds an image of
 * the core, and of the loop. */
#include <stdio.h>
#include <stdlib.h>
#include <strop.h>
#include <time.h>

#include "loop.c" /* benchmarks/peers/vnni_loop.py writes it, with the plan's weights */

static strop_model *model;
static void *scratch;
static size_t scratch_bytes;

static __attribute__((noinline)) void by_core(const uint8_t *image, float *answer) {
    const void *x = image;
    void *y = answer;
    if (strop_run(model, 1, &x, &y, scratch, scratch_bytes)) exit(1);
}

static __attribute__((noinline)) void by_loop(const uint8_t *image, float *answer) {
    infer(1, image, answer);
}

typedef void function(const uint8_t *, float *);

static double us_an_image(function *run, const uint8_t *images, size_t count, float *answers) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < count; i++) run(images + i * PIXELS, answers + i * CLASSES);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return ((double)(end.tv_sec - start.tv_sec) * 1e6 +
            (double)(end.tv_nsec - start.tv_nsec) * 1e-3) / (double)count;
}

static int class_of(const float *answer) {
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (answer[i] > answer[best]) best = i;
    return best;
}

static void *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) exit(2);
    *bytes = (size_t)ftell(file);
    rewind(file);
    void *content = malloc(*bytes);
    if (!content || fread(content, 1, *bytes, file) != *bytes) exit(2);
    fclose(file);
    return content;
}

static void prepare(const char *path) {
    size_t bytes;
    strop_needs needs;
    const void *plan = read_file(path, &bytes);
    const char *reason = strop_check(plan, bytes, &needs);
    if (!reason) {
        const size_t size = (needs.model_bytes + STROP_ALIGNMENT - 1) / STROP_ALIGNMENT;
        void *memory = aligned_alloc(STROP_ALIGNMENT, size * STROP_ALIGNMENT);
        scratch_bytes = needs.run_bytes + needs.row_bytes;
        scratch = malloc(scratch_bytes);
        if (!memory || !scratch) exit(2);
        reason = strop_prepare(plan, bytes, strop_best_kernels(), memory, needs.model_bytes, &model);
    }
    if (reason) {
        fprintf(stderr, "%s\n", reason);
        exit(1);
    }
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    prepare(arguments[1]);
    size_t bytes;
    const uint8_t *pixels = read_file(arguments[2], &bytes);
    const size_t images = bytes / PIXELS;
    float *answers[2];
    for (int i = 0; i < 2; i++)
        if (!(answers[i] = malloc(images * CLASSES * sizeof(float)))) return 2;
    function *runs[2] = {by_core, by_loop};
    int others = 0;
    for (int i = 0; i < 2; i++) us_an_image(runs[i], pixels, images, answers[i]); /* to warm up */
    for (size_t i = 0; i < images; i++)
        others += class_of(answers[0] + i * CLASSES) != class_of(answers[1] + i * CLASSES);
    printf("%d\n", others);
    for (int round = 0; round < atoi(arguments[3]); round++) {
        double us[2];
        for (int i = 0; i < 2; i++) {
            const int which = round % 2 ? 1 - i : i;
            us[which] = us_an_image(runs[which], pixels, images, answers[which]);
        }
        printf("%.4f %.4f\n", us[0], us[1]);
    }
    return 0;
}
