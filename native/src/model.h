/* A prepared model: everything that a run reads, in one piece of memory. */
#ifndef STROP_MODEL_H
#define STROP_MODEL_H

#include "kernels.h"
#include "layout.h"
#include "mean.h"
#include "moves.h"
#include "pairs.h"
#include "windows.h"

typedef enum {
    RUN_LOOKUP,
    RUN_QUANTIZE,
    RUN_DEQUANTIZE,
    RUN_INT8_LAYER,
    RUN_FLOAT_LAYER,
    RUN_INT8_CONV_2D,
    RUN_FLOAT_CONV_2D,
    RUN_INT8_DEPTHWISE_CONV_2D,
    RUN_FLOAT_DEPTHWISE_CONV_2D,
    RUN_INT8_MAX_POOL_2D,
    RUN_FLOAT_MAX_POOL_2D,
    RUN_INT8_AVERAGE_POOL_2D,
    RUN_FLOAT_AVERAGE_POOL_2D,
    RUN_CLAMP,
    RUN_SIGMOID,
    RUN_TANH,
    RUN_SOFTMAX,
    RUN_ADD,
    RUN_SUB,
    RUN_MUL,
    RUN_PAIR,
    RUN_MEAN,
    RUN_MOVES
} run_kind;

typedef struct {
    uint32_t kind;  /* run_kind */
    uint32_t rows;  /* of a layer or softmax, or repetitions of a constant, in one sample */
    uint32_t width; /* of such a row; the number of values in one sample where `rows` is 1 */
    place x, other, y;
    union {
        const uint8_t *table; /* 256 stored bytes */
        quantization quantize;
        struct {
            float scale;
            int32_t zero_point;
        } dequantize;
        int8_layer int8;
        float_layer layer;
        int8_convolution int8_convolution;
        float_convolution convolution;
        int8_depthwise int8_depthwise;
        float_depthwise depthwise;
        int8_pool int8_pool;
        float_pool pool;
        float beta;
        struct {
            const float *constant; /* NULL: `other` is a tensor */
            float low, high;       /* of the fused activation; infinite for none */
        } arithmetic;              /* of clamp too */
        struct {
            const uint8_t *constant; /* as stored; NULL: `other` is a tensor */
            int8_pair how;
        } pair;
        mean mean;
        struct {
            const move *moves; /* of the operands, in their order */
            uint32_t count;
            uint32_t y_bytes; /* of a sample */
            int fills;        /* y has values of no operand, each `fill` */
            uint8_t fill;
        } moves;
    } of;
} model_step;

typedef struct {
    strop_border border;
    place where;
} model_border;

struct strop_model {
    const strop_kernels *kernels;
    uint32_t inputs, outputs, steps;
    uint32_t run_bytes, row_bytes; /* of scratch, as in strop_needs */
    model_border *borders;         /* inputs, then outputs */
    model_step *step;
};

/* Memory that is handed out from the start; without `memory` it only counts. */
typedef struct {
    uint8_t *memory;
    uint64_t used;
} arena;

static inline void *arena_take(arena *from, uint64_t bytes) {
    void *taken = from->memory ? from->memory + from->used : NULL;
    from->used += (bytes + STROP_ALIGNMENT - 1) / STROP_ALIGNMENT * STROP_ALIGNMENT;
    return taken;
}

/* Repack the constants of a layer. `layer` is written to only if the arena has memory. */
void pack_int8_layer(const plan_file *plan, const plan_step *step, int32_t input_offset,
                     arena *from, int8_layer *layer);
void pack_float_layer(const plan_file *plan, const plan_step *step, size_t most_quads, arena *from,
                      float_layer *layer);

/* The same for the layer of a depthwise convolution, whose inputs are taps. */
void pack_int8_taps(const plan_file *plan, const plan_step *step, arena *from, int8_layer *layer);
void pack_float_taps(const plan_file *plan, const plan_step *step, arena *from, float_layer *layer);

/* Prepare a convolution or pool, and return the scratch of its runs in bytes. */
size_t windows_prepare(const plan_file *plan, const plan_step *from, const operands *tensors,
                       const window *windows, const strop_kernels *kernels, arena *memory,
                       model_step *to);

#endif
