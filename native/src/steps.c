/* The rules of each operator. */
#include <string.h>

#include "mean.h"
#include "moves.h"
#include "operands.h"
#include "pairs.h"
#include "rounding.h"
#include "windows.h"

static const char *check_quantize(const operands *of) {
    if (!is_int8(&of->y)) return "quantize writes int8 with a scale";
    if (of->x.values != of->y.values) return "quantize changes the number of values";
    if (is_float(&of->x)) return NULL;
    if (of->x.dtype == STROP_INT32) return "quantize reads float32, uint8 or int8";
    if (of->x.scale != of->y.scale) return "quantize from 8 bits changes the scale";
    return NULL;
}

static const char *check_dequantize(const operands *of) {
    const int is_uint8 = of->x.dtype == STROP_UINT8 && of->x.scale != 0.0f;
    if ((!is_int8(&of->x) && !is_uint8) || !is_float(&of->y))
        return "dequantize reads int8 or uint8 with a scale, and writes float32";
    return of->x.values == of->y.values ? NULL : "dequantize changes the number of values";
}

/* No accumulator of the layer may leave int32, whatever the inputs: so that kernels may add up in
 * any order. */
static const char *check_accumulators(const operands *of) {
    const size_t outputs = of->second.dims[0], inputs = of->second.values / outputs;
    for (size_t i = 0; i < outputs; i++) {
        const int8_t *row = (const int8_t *)of->second.data + i * inputs;
        const int64_t bias = of->third.data ? plan_int32_at(of->third.data, i) : 0;
        int32_t sum = 0; /* at most 2^16 * 127 */
        for (size_t k = 0; k < inputs; k++) {
            if (row[k] == -128) return "an int8 weight is -128: weights are -127 to 127";
            sum += row[k] < 0 ? -row[k] : row[k];
        }
        if ((bias < 0 ? -bias : bias) + (int64_t)sum * 255 > INT32_MAX)
            return "the sums of a layer may not fit 32 bits";
    }
    return NULL;
}

static const char *check_int8_layer(const plan_file *plan, const operands *of) {
    const int has_scale = of->second.scales || of->second.scale != 0.0f;
    if (!is_int8(&of->x) || !is_int8(&of->y) || of->second.dtype != STROP_INT8 || !has_scale)
        return "an int8 layer reads, multiplies by and writes int8 with scales";
    if (of->second.zero_point) return "the weights of an int8 layer have a zero point";
    if (of->third.data && of->third.dtype != STROP_INT32)
        return "the bias of an int8 layer is int32";
    if (!factors_are_sound(plan, &of->x, &of->second, of->y.scale))
        return "the scales of a layer give a factor that is not between 0 and 1";
    return check_accumulators(of);
}

const char *check_layer(const plan_file *plan, const plan_step *step, const operands *of,
                        uint32_t rank) {
    const plan_tensor *weights = &of->second;
    if (!weights->data || weights->rank != rank)
        return "the weights of a layer are a constant of 2 dimensions, of a convolution of 4, of a "
               "depthwise one of 3";
    const uint32_t outputs = weights->dims[0];
    if (weights->values / outputs > MAX_LAYER_INPUTS) return "a layer has more than 2^16 inputs";
    if (step->inputs[2] != NONE && (!of->third.data || of->third.values != outputs))
        return "the bias of a layer is a constant with a value for each output";
    if (of->x.dtype == STROP_INT8) return check_int8_layer(plan, of);
    if (!is_float(&of->x) || !is_float(weights) || !is_float(&of->y) ||
        (of->third.data && !is_float(&of->third)))
        return "a layer that is not int8 is float32 throughout";
    return NULL;
}

static const char *check_fully_connected(const plan_file *plan, const plan_step *step,
                                         const operands *of) {
    const char *reason = check_layer(plan, step, of, 2);
    if (reason) return reason;
    const uint32_t outputs = of->second.dims[0], inputs = of->second.dims[1];
    if (of->x.values % inputs || of->y.values % outputs ||
        of->x.values / inputs != of->y.values / outputs)
        return "the input or output of a layer does not fit its weights";
    return NULL;
}

static const char *check_activation(const operands *of) {
    if (of->x.values != of->y.values) return "an activation changes the number of values";
    return is_float(&of->x) && is_float(&of->y) ? NULL : "an activation is float32";
}

static const char *check_softmax(const plan_step *step, const operands *of) {
    const float beta = plan_float_at(step->parameters, 0);
    if (!of->x.rank) return "softmax has no axis";
    if (beta * 0.0f != 0.0f) return "the beta of a softmax is not finite"; /* NaN, as is inf * 0 */
    return check_activation(of);
}

static const char *check_reshape(const operands *of) {
    if (of->x.values != of->y.values || !are_alike(&of->x, &of->y))
        return "reshape changes more than a shape";
    return NULL;
}

static const char *check_pairwise(const plan_step *step, const operands *of) {
    if (of->x.values != of->y.values) return "mul, add or sub changes the number of values";
    if (of->second.data ? of->x.values % of->second.values != 0 : of->x.values != of->second.values)
        return "the operands of mul, add or sub do not fit each other";
    if (is_float(&of->x) && is_float(&of->second) && is_float(&of->y)) return NULL;
    if (!is_int8(&of->x) || !is_int8(&of->second) || of->second.scales || !is_int8(&of->y))
        return "mul, add and sub are float32, or int8 with a scale for each tensor";
    if (!pair_is_sound(step, &of->x, &of->second, &of->y))
        return "the scales of mul, add or sub are too far apart";
    return NULL;
}

static const char *check_lookup(const operands *of) {
    const plan_tensor *table = &of->second;
    const int is_uint8 = of->x.dtype == STROP_UINT8 && of->x.scale != 0.0f;
    if (!(is_int8(&of->x) || is_uint8) || !is_int8(&of->y))
        return "lookup reads int8 or uint8 and writes int8";
    if (of->x.values != of->y.values) return "lookup changes the number of values";
    if (!table->data || table->dtype != STROP_INT8 || table->rank != 1 || table->values != 256 ||
        table->scales || table->scale != 0.0f)
        return "a table is a constant of 256 int8 values without a scale";
    return NULL;
}

static const char *check_operator(const plan_file *plan, const plan_step *step,
                                  const operands *of) {
    switch (step->op) {
        case OP_QUANTIZE: return check_quantize(of);
        case OP_DEQUANTIZE: return check_dequantize(of);
        case OP_FULLY_CONNECTED: return check_fully_connected(plan, step, of);
        case OP_RELU:
        case OP_RELU6:
        case OP_SIGMOID:
        case OP_TANH: return check_activation(of);
        case OP_SOFTMAX: return check_softmax(step, of);
        case OP_RESHAPE: return check_reshape(of);
        case OP_MUL:
        case OP_ADD:
        case OP_SUB: return check_pairwise(step, of);
        case OP_LOOKUP: return check_lookup(of);
        case OP_CONV_2D:
        case OP_DEPTHWISE_CONV_2D: return check_convolution(plan, step, of);
        case OP_MAX_POOL_2D:
        case OP_AVERAGE_POOL_2D: return check_pool(step, of);
        case OP_MEAN: return check_mean(plan, step, of);
        case OP_CONCATENATE: return check_concatenate(step, of);
        case OP_PAD: return check_pad(step, of);
        case OP_TRANSPOSE: return check_transpose(step, of);
        default: return "a step has an unknown operator";
    }
}

/* Count the bytes of a step's parameters. */
static uint32_t parameter_bytes(uint32_t op, uint32_t rank) {
    switch (op) {
        case OP_SOFTMAX: return sizeof(float);
        case OP_CONV_2D:
        case OP_DEPTHWISE_CONV_2D: return 6;
        case OP_MAX_POOL_2D:
        case OP_AVERAGE_POOL_2D: return 8;
        case OP_MEAN: return 2;
        case OP_CONCATENATE: return 1;
        case OP_PAD:
        case OP_TRANSPOSE: return rank;
        default: return 0;
    }
}

/* Tell whether the record of a step is 0 behind the parameters of its operator. */
static int is_padded_by_0(const plan_step *step, uint32_t rank) {
    for (uint32_t i = parameter_bytes(step->op, rank); i < PARAMETERS; i++)
        if (step->parameters[i]) return 0;
    return 1;
}

/* Tell whether a step has the operands that its operator takes. */
static int has_operands(const plan_step *step) {
    uint32_t least = 1, most = 1;
    if (is_pairwise(step->op) || step->op == OP_LOOKUP) least = most = 2;
    if (is_layer(step->op) || step->op == OP_CONCATENATE) least = 2, most = 3;
    for (uint32_t i = 0; i < 3; i++)
        if (step->inputs[i] == NONE ? i < least : i >= most) return 0;
    return 1;
}

/* The products and values that a sound step computes for one sample, below 2^48. */
static uint64_t work_of(const plan_step *step, const operands *of) {
    switch (step->op) {
        case OP_FULLY_CONNECTED: return (uint64_t)of->x.values * of->second.dims[0];
        case OP_CONV_2D:
        case OP_DEPTHWISE_CONV_2D:
            return (uint64_t)of->y.values * (of->second.values / of->second.dims[0]);
        case OP_MAX_POOL_2D:
        case OP_AVERAGE_POOL_2D:
            return (uint64_t)of->y.values * (uint32_t)(step->parameters[6] * step->parameters[7]);
        case OP_CONCATENATE:
        case OP_PAD: return of->y.values;
        default: return of->x.values;
    }
}

const char *read_operands(const plan_file *plan, const plan_step *step, operands *of) {
    plan_tensor *const tensors[] = {&of->x, &of->second, &of->third};
    memset(of, 0, sizeof *of);
    for (size_t i = 0; i < 3; i++) {
        if (step->inputs[i] == NONE) continue;
        const char *reason = plan_tensor_at(plan, step->inputs[i], tensors[i]);
        if (reason) return reason;
    }
    return plan_tensor_at(plan, step->output, &of->y);
}

const char *plan_check_step(const plan_file *plan, const plan_step *step, uint64_t *work) {
    const int fuses = is_layer(step->op) || is_pairwise(step->op) || is_pool(step->op);
    operands of;
    const char *reason;
    if (!has_operands(step)) return "a step has too few or too many inputs";
    if (step->activation > (fuses ? ACTIVATION_RELU6 : ACTIVATION_NONE))
        return "a step has an activation that it cannot have";
    if ((reason = read_operands(plan, step, &of))) return reason;
    if (of.x.data) return "the first input of a step is a constant";
    if (!is_padded_by_0(step, of.x.rank)) return "a step has parameters that it cannot have";
    if ((reason = check_operator(plan, step, &of))) return reason;
    *work += work_of(step, &of);
    return NULL;
}
