/* The header and the records of a plan. */
#include "plan.h"

#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "plans are little-endian, and so is the CPU that runs them"
#endif

enum { HEADER_BYTES = 64, TENSOR_BYTES = 56, STEP_BYTES = 32, DATA_ALIGNMENT = 64 };

#define SMALLEST_NORMAL 1.17549435e-38f
#define LARGEST 3.40282347e+38f

static uint32_t u32_at(const uint8_t *bytes, size_t at) {
    uint32_t value;
    memcpy(&value, bytes + at, sizeof value);
    return value;
}

float plan_float_at(const uint8_t *data, size_t index) {
    float value;
    memcpy(&value, data + index * sizeof value, sizeof value);
    return value;
}

int32_t plan_int32_at(const uint8_t *data, size_t index) {
    int32_t value;
    memcpy(&value, data + index * sizeof value, sizeof value);
    return value;
}

size_t plan_value_bytes(uint32_t dtype) {
    return dtype == STROP_INT8 || dtype == STROP_UINT8 ? 1 : 4;
}

static int all_zero(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i]) return 0;
    return 1;
}

const char *plan_open(const void *bytes, size_t count, plan_file *plan) {
    const uint8_t *header = bytes;
    if (count < HEADER_BYTES) return "the plan is shorter than its header";
    if (count > MAX_BYTES) return "the plan is larger than 2^31 - 1 bytes";
    if (memcmp(header, "STROPLAN", 8) != 0) return "the file is not a plan";
    if (u32_at(header, 8) != 1) return "the plan has a version that this engine does not know";
    plan->bytes = header;
    plan->rounding = u32_at(header, 12);
    plan->tensors = u32_at(header, 16);
    plan->steps = u32_at(header, 20);
    plan->inputs = u32_at(header, 24);
    plan->outputs = u32_at(header, 28);
    plan->tensors_at = u32_at(header, 32);
    plan->steps_at = u32_at(header, 36);
    plan->borders_at = u32_at(header, 40);
    plan->data_at = u32_at(header, 44);
    plan->data_bytes = u32_at(header, 48);
    if (plan->rounding > ROUNDING_FLOAT) return "the plan has an unknown rounding";
    if (!all_zero(header + 52, 12)) return "the plan's header has bytes that should be 0";
    if (plan->tensors < 1 || plan->tensors > MAX_TENSORS)
        return "the plan has no or too many tensors";
    if (plan->steps < 1 || plan->steps > MAX_STEPS) return "the plan has no or too many steps";
    if (plan->inputs < 1 || plan->inputs > plan->tensors)
        return "the plan has no or too many inputs";
    if (plan->outputs < 1 || plan->outputs > plan->tensors)
        return "the plan has no or too many outputs";
    /* The counts are small, so that these sums cannot overflow. */
    const uint32_t steps_at = HEADER_BYTES + plan->tensors * TENSOR_BYTES;
    const uint32_t borders_at = steps_at + plan->steps * STEP_BYTES;
    const uint32_t borders_end = borders_at + (plan->inputs + plan->outputs) * 4;
    const uint32_t data_at = (borders_end + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
    if (plan->tensors_at != HEADER_BYTES || plan->steps_at != steps_at ||
        plan->borders_at != borders_at || plan->data_at != data_at)
        return "the sections of the plan do not follow each other";
    if (data_at > count || plan->data_bytes != count - data_at)
        return "the plan's data do not end with the file";
    if (!all_zero(header + borders_end, data_at - borders_end))
        return "the plan has padding that is not 0";
    return NULL;
}

void plan_step_at(const plan_file *plan, uint32_t index, plan_step *step) {
    const uint8_t *record = plan->bytes + plan->steps_at + (size_t)index * STEP_BYTES;
    step->op = u32_at(record, 0);
    for (size_t i = 0; i < 3; i++) step->inputs[i] = u32_at(record, 4 + 4 * i);
    step->output = u32_at(record, 16);
    step->activation = u32_at(record, 20);
    memcpy(step->parameters, record + 24, PARAMETERS);
}

uint32_t plan_border_at(const plan_file *plan, uint32_t index) {
    return u32_at(plan->bytes + plan->borders_at, (size_t)index * 4);
}

/* Find `count` bytes at an offset in the data: NULL if they are not there. */
static const uint8_t *data_at(const plan_file *plan, uint32_t offset, size_t alignment,
                              size_t count) {
    if (offset % alignment || offset > plan->data_bytes || count > plan->data_bytes - offset)
        return NULL;
    return plan->bytes + plan->data_at + offset;
}

/* NaN fails both comparisons. */
static int is_scale(float value) { return value >= SMALLEST_NORMAL && value <= LARGEST; }

static const char *read_shape(const uint8_t *record, plan_tensor *tensor) {
    tensor->rank = u32_at(record, 4);
    if (tensor->rank > STROP_MAX_RANK) return "a tensor has more than 6 dimensions";
    uint64_t values = 1;
    for (uint32_t i = 0; i < STROP_MAX_RANK; i++) {
        const uint32_t dim = tensor->dims[i] = u32_at(record, 8 + 4 * (size_t)i);
        if (i >= tensor->rank) {
            if (dim) return "a tensor has a size beyond its dimensions";
            continue;
        }
        values *= dim; /* below 2^24 * 2^32 */
        if (!dim || values > MAX_VALUES) return "a tensor has no or more than 2^24 values";
    }
    tensor->values = (uint32_t)values;
    return NULL;
}

static const char *check_quantization(const plan_tensor *tensor) {
    if (tensor->scale == 0.0f)
        return tensor->zero_point ? "a tensor that is not quantized has a zero point" : NULL;
    if (!is_scale(tensor->scale)) return "a scale is not a normal positive number";
    if (tensor->dtype == STROP_FLOAT32) return "a float32 tensor has a scale";
    const int32_t low = tensor->dtype == STROP_INT8 ? -128 : 0;
    const int32_t high = tensor->dtype == STROP_INT8 ? 127 : tensor->dtype == STROP_UINT8 ? 255 : 0;
    if (tensor->zero_point < low || tensor->zero_point > high)
        return "a zero point is not a value of its tensor's type";
    return NULL;
}

static const char *read_scales(const plan_file *plan, uint32_t offset, plan_tensor *tensor) {
    if (offset == NONE) return NULL;
    if (tensor->dtype != STROP_INT8 || !tensor->data || !tensor->rank)
        return "a tensor other than int8 weights has a scale for each output";
    const uint32_t count = tensor->dims[0];
    tensor->scales = data_at(plan, offset, DATA_ALIGNMENT, (size_t)count * sizeof(float));
    if (!tensor->scales) return "the scales of a tensor are not in the data";
    for (uint32_t i = 0; i < count; i++)
        if (!is_scale(plan_float_at(tensor->scales, i)))
            return "a scale is not a normal positive number";
    return NULL;
}

static const char *read_name(const plan_file *plan, uint32_t offset, plan_tensor *tensor) {
    if (offset == NONE) return NULL;
    const uint8_t *length = data_at(plan, offset, 1, 2);
    if (length) {
        tensor->name_bytes = (uint32_t)(length[0] | length[1] << 8);
        tensor->name = data_at(plan, offset + 2, 1, tensor->name_bytes);
    }
    return tensor->name && tensor->name_bytes ? NULL
                                              : "the name of a tensor is empty or not in the data";
}

const char *plan_tensor_at(const plan_file *plan, uint32_t index, plan_tensor *tensor) {
    const uint8_t *record = plan->bytes + plan->tensors_at + (size_t)index * TENSOR_BYTES;
    const uint32_t data = u32_at(record, 40);
    const char *reason;
    memset(tensor, 0, sizeof *tensor);
    tensor->dtype = u32_at(record, 0);
    tensor->scale = plan_float_at(record, 8);
    tensor->zero_point = plan_int32_at(record, 9);
    if (tensor->dtype > STROP_INT32) return "a tensor has an unknown type";
    if (u32_at(record, 52)) return "a tensor's record has bytes that should be 0";
    if ((reason = read_shape(record, tensor))) return reason;
    if ((reason = check_quantization(tensor))) return reason;
    if (data != NONE) {
        const size_t count = tensor->values * plan_value_bytes(tensor->dtype);
        tensor->data = data_at(plan, data, DATA_ALIGNMENT, count);
        if (!tensor->data) return "the values of a tensor are not in the data";
    }
    if ((reason = read_scales(plan, u32_at(record, 44), tensor))) return reason;
    return read_name(plan, u32_at(record, 48), tensor);
}

/* What is known of a tensor. */
enum {
    HAS_VALUES = 1, /* it is a constant, given, or computed by an earlier step */
    IS_COMPUTED = 2,
    IS_NAMED = 4,
    IS_BORDER = 8
};

static const char *check_borders(const plan_file *plan, uint8_t *state) {
    for (uint32_t i = 0; i < plan->inputs + plan->outputs; i++) {
        uint8_t *tensor = &state[plan_border_at(plan, i)];
        if (i >= plan->inputs && !(*tensor & IS_COMPUTED)) return "no step writes an output";
        if (*tensor & IS_BORDER) return "a tensor is an input or output twice";
        if (!(*tensor & IS_NAMED)) return "an input or output has no name";
        *tensor |= IS_BORDER;
    }
    for (uint32_t i = 0; i < plan->tensors; i++)
        if ((state[i] & (IS_NAMED | IS_BORDER)) == IS_NAMED)
            return "a tensor that is neither input nor output has a name";
    return NULL;
}

const char *plan_check(const plan_file *plan, uint64_t *work) {
    uint8_t state[MAX_TENSORS] = {0};
    const char *reason;
    *work = 0;
    for (uint32_t i = 0; i < plan->tensors; i++) {
        plan_tensor tensor;
        if ((reason = plan_tensor_at(plan, i, &tensor))) return reason;
        if (tensor.data) state[i] |= HAS_VALUES;
        if (tensor.name) state[i] |= IS_NAMED;
    }
    for (uint32_t i = 0; i < plan->inputs + plan->outputs; i++) {
        const uint32_t index = plan_border_at(plan, i);
        if (index >= plan->tensors) return "an input or output is not a tensor of the plan";
        if (i >= plan->inputs) continue;
        if (state[index] & HAS_VALUES) return "an input is a constant, or given twice";
        state[index] |= HAS_VALUES;
    }
    for (uint32_t i = 0; i < plan->steps; i++) {
        plan_step step;
        plan_step_at(plan, i, &step);
        for (size_t k = 0; k < 3; k++) {
            const uint32_t input = step.inputs[k];
            if (input == NONE) continue;
            if (input >= plan->tensors) return "a step reads a tensor that is not in the plan";
            if (!(state[input] & HAS_VALUES)) return "a step reads a tensor before it is written";
        }
        if (step.output >= plan->tensors) return "a step writes a tensor that is not in the plan";
        if (state[step.output] & HAS_VALUES)
            return "a step writes a tensor that has its values already";
        if ((reason = plan_check_step(plan, &step, work))) return reason;
        if (*work > MAX_WORK) return "the steps compute more than 2^32 products and values";
        state[step.output] |= HAS_VALUES | IS_COMPUTED;
    }
    return check_borders(plan, state);
}
