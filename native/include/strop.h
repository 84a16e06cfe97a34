/* Strop's native engine: checks, prepares and runs plans.
 *
 * A plan is a neural network as data (format `plan`, version 1). The engine allocates nothing: the
 * caller gives the memory, whose sizes are known before.
 *
 *     reason = strop_check(plan, bytes, &needs);
 *     ... take memory of needs.model_bytes, and scratch of needs.run_bytes + needs.row_bytes times
 *         1 to 64, best strop_tile_rows(&needs)
 *     reason = strop_prepare(plan, bytes, strop_best_kernels(), memory, memory_bytes, &model);
 *     reason = strop_run(model, rows, inputs, outputs, scratch, scratch_bytes);
 *
 * A reason is a static text, or NULL for success. The results have the same bits on every CPU and
 * with all kernels, but for the sign and payload of a NaN.
 *
 * Every function is safe to call from any number of threads. A prepared model is not written to:
 * threads may run it at once, each with scratch of its own.
 */
#ifndef STROP_H
#define STROP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) && defined(STROP_SHARED)
#define STROP_API __declspec(dllexport)
#elif defined(__GNUC__) && defined(STROP_SHARED)
#define STROP_API __attribute__((visibility("default")))
#else
#define STROP_API
#endif

#define STROP_ALIGNMENT 64 /* of the memory of a model, in bytes; scratch needs 4 */
#define STROP_TILE_ROWS 64 /* rows that a run takes at a time, at most */
#define STROP_MAX_RANK 6

typedef struct strop_model strop_model;
typedef struct strop_kernels strop_kernels;

typedef enum { STROP_FLOAT32 = 0, STROP_INT8 = 1, STROP_UINT8 = 2, STROP_INT32 = 3 } strop_dtype;

/* The memory and time that a plan needs, and how many arrays a run takes and gives. */
typedef struct {
    size_t model_bytes; /* the prepared model: weights, constants, steps */
    size_t run_bytes;   /* scratch of a run, however many rows it takes */
    size_t row_bytes;   /* scratch of a run, for each row of a tile */
    uint32_t inputs;
    uint32_t outputs;
    uint64_t work; /* products and values that a run computes, for each row */
} strop_needs;

/* An input or output of a model, for one sample. */
typedef struct {
    const char *name; /* as the plan has it: UTF-8 is not checked, no zero ends it */
    uint32_t name_bytes;
    uint32_t dtype; /* strop_dtype */
    uint32_t rank;
    uint32_t dims[STROP_MAX_RANK];
    float scale; /* 0: not quantized */
    int32_t zero_point;
    size_t row_bytes;
} strop_border;

/* Check every byte of a plan that the engine reads, and tell the memory it needs.
 *
 * `plan` may be hostile, and of any alignment; its bytes do not change during a call. The check
 * takes about 24 kB of stack. */
STROP_API const char *strop_check(const void *plan, size_t plan_bytes, strop_needs *needs);

/* Tell how many rows a run does best to take at a time: as many as stay in 256 KiB of cache, 1 to
 * STROP_TILE_ROWS. */
STROP_API size_t strop_tile_rows(const strop_needs *needs);

/* Check a plan, and make a model of it in `memory`, for one set of kernels.
 *
 * The model keeps no pointer into the plan. It points into `memory`: do not move it. */
STROP_API const char *strop_prepare(const void *plan, size_t plan_bytes,
                                    const strop_kernels *kernels, void *memory, size_t memory_bytes,
                                    strop_model **model);

/* Run `rows` samples: C-ordered arrays, one pointer for each input and output, in the plan's order.
 *
 * Arrays of 4-byte numbers are aligned to 4 bytes; no output overlaps an input or another output.
 * The run takes as many rows at a time as `scratch_bytes` holds beside run_bytes, up to
 * STROP_TILE_ROWS: the bits are the same. It fails only if there is not enough for one row. A
 * run takes about 4 kB of stack. */
STROP_API const char *strop_run(const strop_model *model, size_t rows, const void *const *inputs,
                                void *const *outputs, void *scratch, size_t scratch_bytes);

/* Describe an input or output. `index` is below the count in strop_needs, or the result is NULL. */
STROP_API const strop_border *strop_input(const strop_model *model, uint32_t index);
STROP_API const strop_border *strop_output(const strop_model *model, uint32_t index);

/* Give the fastest kernels that this CPU runs. */
STROP_API const strop_kernels *strop_best_kernels(void);

/* Give the kernels at `index` that this CPU runs, fastest first, or NULL past the last: `plain`. */
STROP_API const strop_kernels *strop_kernels_at(uint32_t index);

/* Give the name of a set of kernels: plain, avx2, avxvnni, avx512vnni, neon, dotprod or
 * simd128. */
STROP_API const char *strop_kernels_name(const strop_kernels *kernels);

#ifdef __cplusplus
}
#endif

#endif
