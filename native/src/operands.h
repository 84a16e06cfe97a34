/* What the rules of a step look at. */
#ifndef STROP_OPERANDS_H
#define STROP_OPERANDS_H

#include "plan.h"

/* The operands of a step; `second` and `third` are zeros where the step does not have them. */
typedef struct {
    plan_tensor x, second, third, y;
} operands;

/* Read the records of the operands. It fails only where plan_tensor_at does. */
const char *read_operands(const plan_file *plan, const plan_step *step, operands *of);

/* Check the weights and the bias of a layer, and its types and scales; `rank` is that of weights.
 */
const char *check_layer(const plan_file *plan, const plan_step *step, const operands *of,
                        uint32_t rank);

static inline int is_int8(const plan_tensor *tensor) {
    return tensor->dtype == STROP_INT8 && tensor->scale != 0.0f;
}

static inline int is_float(const plan_tensor *tensor) { return tensor->dtype == STROP_FLOAT32; }

/* A zero point as stored: uint8 is stored as it is, int8 with 128 added. */
static inline int32_t stored_zero_point(const plan_tensor *tensor) {
    return tensor->zero_point + (tensor->dtype == STROP_INT8 ? 128 : 0);
}

/* Tell whether values can be copied from one tensor to the other: same type, scale, zero point. */
static inline int are_alike(const plan_tensor *a, const plan_tensor *b) {
    return a->dtype == b->dtype && a->scale == b->scale && a->zero_point == b->zero_point;
}

#endif
