/* A plan's records, read from bytes that may be hostile. */
#ifndef STROP_PLAN_H
#define STROP_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "strop.h"

enum { MAX_TENSORS = 1024, MAX_STEPS = 1024, MAX_VALUES = 1 << 24, MAX_LAYER_INPUTS = 1 << 16 };

#define NONE UINT32_C(0xFFFFFFFF)
#define MAX_BYTES UINT32_C(0x7FFFFFFF)
#define MAX_WORK (UINT64_C(1) << 32) /* of all steps, for one sample */

enum { ROUNDING_REFERENCE = 0, ROUNDING_FLOAT = 1 };

enum { ACTIVATION_NONE = 0, ACTIVATION_RELU = 1, ACTIVATION_RELU6 = 2 };

enum {
    OP_QUANTIZE = 1,
    OP_DEQUANTIZE,
    OP_FULLY_CONNECTED,
    OP_RELU,
    OP_RELU6,
    OP_SIGMOID,
    OP_TANH,
    OP_SOFTMAX,
    OP_RESHAPE,
    OP_MUL,
    OP_ADD,
    OP_SUB,
    OP_LOOKUP,
    OP_CONV_2D,
    OP_DEPTHWISE_CONV_2D,
    OP_MAX_POOL_2D,
    OP_AVERAGE_POOL_2D,
    OP_MEAN,
    OP_CONCATENATE,
    OP_PAD,
    OP_TRANSPOSE
};

enum { PARAMETERS = 8 }; /* bytes of a step's record that belong to its operator */

typedef struct {
    uint32_t dtype;
    uint32_t rank;
    uint32_t dims[STROP_MAX_RANK];
    uint32_t values; /* the product of dims */
    float scale;
    int32_t zero_point;
    const uint8_t *data;   /* little-endian, of any alignment; NULL: computed or given */
    const uint8_t *scales; /* float32, one for each dims[0]; NULL: `scale` holds for all */
    const uint8_t *name;
    uint32_t name_bytes;
} plan_tensor;

typedef struct {
    uint32_t op;
    uint32_t inputs[3];
    uint32_t output;
    uint32_t activation;
    uint8_t parameters[PARAMETERS];
} plan_step;

/* A plan whose header is sound. */
typedef struct {
    const uint8_t *bytes;
    uint32_t rounding;
    uint32_t tensors, steps, inputs, outputs; /* how many */
    uint32_t tensors_at, steps_at, borders_at, data_at;
    uint32_t data_bytes;
} plan_file;

/* Read a header, and check that the sections fill the file. */
const char *plan_open(const void *bytes, size_t count, plan_file *plan);

/* Read a record. `plan_tensor_at` also checks it by itself; `index` is in range. */
const char *plan_tensor_at(const plan_file *plan, uint32_t index, plan_tensor *tensor);
void plan_step_at(const plan_file *plan, uint32_t index, plan_step *step);
uint32_t plan_border_at(const plan_file *plan, uint32_t index);

/* Check all records, and the steps in their order. Add up the steps' work for one sample. */
const char *plan_check(const plan_file *plan, uint64_t *work);

/* Tell whether an operator is mul, add or sub. */
static inline int is_pairwise(uint32_t op) { return op >= OP_MUL && op <= OP_SUB; }

/* Tell whether an operator has weights, and may have a bias. */
static inline int is_layer(uint32_t op) {
    return op == OP_FULLY_CONNECTED || op == OP_CONV_2D || op == OP_DEPTHWISE_CONV_2D;
}

static inline int is_pool(uint32_t op) { return op == OP_MAX_POOL_2D || op == OP_AVERAGE_POOL_2D; }

/* Check one step: its operands, types and shapes, and the arithmetic of its weights. Add its work
 * for one sample: the multiply-accumulates of a layer, else values. */
const char *plan_check_step(const plan_file *plan, const plan_step *step, uint64_t *work);

float plan_float_at(const uint8_t *data, size_t index);
int32_t plan_int32_at(const uint8_t *data, size_t index);
size_t plan_value_bytes(uint32_t dtype);

#endif
