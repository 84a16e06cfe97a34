/* Weights in the order in which kernels read them. */
#include <string.h>

#include "model.h"
#include "rounding.h"

typedef struct {
    plan_tensor x, weights, bias, y;
} layer_tensors;

static void read_layer(const plan_file *plan, const plan_step *step, layer_tensors *of) {
    memset(of, 0, sizeof *of);
    plan_tensor_at(plan, step->inputs[0], &of->x);
    plan_tensor_at(plan, step->inputs[1], &of->weights);
    if (step->inputs[2] != NONE) plan_tensor_at(plan, step->inputs[2], &of->bias);
    plan_tensor_at(plan, step->output, &of->y);
}

static uint64_t int8_weight_bytes(size_t outputs, size_t inputs) {
    const size_t width =
        outputs / PANEL_OUTPUTS * PANEL_OUTPUTS + panel_width(outputs % PANEL_OUTPUTS, inputs);
    const size_t tail = outputs > width ? outputs - width : 0;
    return (uint64_t)width * round_up(inputs, GROUP_INPUTS) +
           (uint64_t)tail * round_up(inputs, TAIL_INPUTS);
}

static void pack_int8_weights(const plan_tensor *from, int8_t *to) {
    const size_t outputs = from->dims[0], inputs = from->values / outputs;
    const int8_t *weights = (const int8_t *)from->data;
    for (size_t first = 0; first < outputs; first += PANEL_OUTPUTS) {
        const size_t left = outputs - first;
        const size_t used = left < PANEL_OUTPUTS ? left : PANEL_OUTPUTS;
        const size_t width = panel_width(used, inputs);
        for (size_t k = 0; k < inputs; k += GROUP_INPUTS)
            for (size_t i = first; i < first + width; i++)
                for (size_t j = k; j < k + GROUP_INPUTS; j++)
                    *to++ = i < outputs && j < inputs ? weights[i * inputs + j] : 0;
        for (size_t i = first + width; i < first + used; i++)
            for (size_t j = 0; j < round_up(inputs, TAIL_INPUTS); j++)
                *to++ = j < inputs ? weights[i * inputs + j] : 0;
    }
}

/* Kernels add up (q + offset) * w, the layer is (q - zero_point) * w: the difference is a constant.
 * No sum overflows, as the check of the plan bounds it for every input. */
static void fold_bias(const layer_tensors *of, int32_t input_offset, int32_t *bias) {
    const size_t outputs = of->weights.dims[0], inputs = of->weights.values / outputs;
    const int8_t *row = (const int8_t *)of->weights.data;
    for (size_t i = 0; i < outputs; i++, row += inputs) {
        int32_t sum = 0;
        for (size_t k = 0; k < inputs; k++) sum += row[k];
        bias[i] = (of->bias.data ? plan_int32_at(of->bias.data, i) : 0) -
                  (input_offset + of->x.zero_point) * sum;
    }
}

static void pack_float_factors(const layer_tensors *of, float *scales) {
    for (uint32_t i = 0; i < of->weights.dims[0]; i++)
        scales[i] = float_factor(&of->x, &of->weights, i, of->y.scale);
}

static void pack_reference_factors(const layer_tensors *of, int32_t *multipliers, int32_t *shifts) {
    for (uint32_t i = 0; i < of->weights.dims[0]; i++) {
        const fixed_point factor = reference_factor(&of->x, &of->weights, i, of->y.scale);
        multipliers[i] = factor.multiplier;
        shifts[i] = factor.shift;
    }
}

/* Take memory for all but the weights of a layer, and fill it if there is any. */
static void pack_int8_outputs(const plan_file *plan, const plan_step *step, const layer_tensors *of,
                              int32_t input_offset, arena *from, int8_layer *layer) {
    const size_t column_bytes = round_up(of->weights.dims[0], PAD_OUTPUTS) * sizeof(int32_t);
    const int is_float = plan->rounding == ROUNDING_FLOAT;
    int32_t *bias = arena_take(from, column_bytes);
    float *scales = is_float ? arena_take(from, column_bytes) : NULL;
    int32_t *multipliers = is_float ? NULL : arena_take(from, column_bytes);
    int32_t *shifts = is_float ? NULL : arena_take(from, column_bytes);
    if (!from->memory) return;
    fold_bias(of, input_offset, bias);
    if (is_float)
        pack_float_factors(of, scales);
    else
        pack_reference_factors(of, multipliers, shifts);
    layer->outputs = of->weights.dims[0];
    layer->bias = bias;
    layer->requantize.scales = scales;
    layer->requantize.multipliers = multipliers;
    layer->requantize.shifts = shifts;
    layer->requantize.zero_point = of->y.zero_point + 128;
    activation_range(plan->rounding, step->activation, &of->y, &layer->requantize.low,
                     &layer->requantize.high);
}

void pack_int8_layer(const plan_file *plan, const plan_step *step, int32_t input_offset,
                     arena *from, int8_layer *layer) {
    layer_tensors of;
    read_layer(plan, step, &of);
    const size_t outputs = of.weights.dims[0], inputs = of.weights.values / outputs;
    int8_t *weights = arena_take(from, int8_weight_bytes(outputs, inputs));
    pack_int8_outputs(plan, step, &of, input_offset, from, layer);
    if (!from->memory) return;
    pack_int8_weights(&of.weights, weights);
    layer->inputs = inputs;
    layer->weights = weights;
}

void pack_int8_taps(const plan_file *plan, const plan_step *step, arena *from, int8_layer *layer) {
    layer_tensors of;
    read_layer(plan, step, &of);
    const size_t outputs = of.weights.dims[0], taps = of.weights.values / outputs;
    int8_t *weights = arena_take(from, of.weights.values), *to = weights;
    pack_int8_outputs(plan, step, &of, 128, from, layer);
    if (!from->memory) return;
    for (size_t first = 0, width; first < outputs; first += width) {
        width = depthwise_width(outputs - first);
        for (size_t k = 0; k < taps; k++)
            for (size_t i = first; i < first + width; i++)
                *to++ = (int8_t)of.weights.data[i * taps + k];
    }
    layer->inputs = taps;
    layer->weights = weights;
}

/* Return whether all are finite. */
static int pack_float_weights(const plan_tensor *from, size_t most, float *to) {
    const size_t outputs = from->dims[0], inputs = from->values / outputs;
    const size_t panel = float_panel_quads(outputs, most) * QUAD_OUTPUTS;
    int is_finite = 1;
    for (size_t first = 0; first < outputs; first += panel) {
        const size_t left = round_up(outputs - first, QUAD_OUTPUTS);
        const size_t end = first + (left < panel ? left : panel);
        for (size_t k = 0; k < inputs; k += GROUP_INPUTS)
            for (size_t i = first; i < end; i++)
                for (size_t j = k; j < k + GROUP_INPUTS; j++, to++) {
                    *to = i < outputs && j < inputs ? plan_float_at(from->data, i * inputs + j) : 0;
                    is_finite &= *to - *to == 0.0f;
                }
    }
    return is_finite;
}

static void pack_float_bias(const layer_tensors *of, arena *from, float_layer *layer) {
    const size_t outputs = of->weights.dims[0];
    float *bias = arena_take(from, round_up(outputs, QUAD_OUTPUTS) * sizeof(float));
    if (!from->memory) return;
    if (of->bias.data)
        for (size_t i = 0; i < outputs; i++) bias[i] = plan_float_at(of->bias.data, i);
    layer->outputs = outputs;
    layer->bias = bias;
}

void pack_float_layer(const plan_file *plan, const plan_step *step, size_t most_quads, arena *from,
                      float_layer *layer) {
    layer_tensors of;
    read_layer(plan, step, &of);
    const size_t outputs = of.weights.dims[0], inputs = of.weights.values / outputs;
    const size_t padded = round_up(outputs, QUAD_OUTPUTS);
    float *weights =
        arena_take(from, (uint64_t)padded * round_up(inputs, GROUP_INPUTS) * sizeof(float));
    pack_float_bias(&of, from, layer);
    if (!from->memory) return;
    layer->is_finite = pack_float_weights(&of.weights, most_quads, weights);
    layer->inputs = inputs;
    layer->weights = weights;
}

void pack_float_taps(const plan_file *plan, const plan_step *step, arena *from,
                     float_layer *layer) {
    layer_tensors of;
    read_layer(plan, step, &of);
    const size_t outputs = of.weights.dims[0], taps = of.weights.values / outputs;
    float *weights = arena_take(from, (uint64_t)of.weights.values * sizeof(float)), *to = weights;
    pack_float_bias(&of, from, layer);
    if (!from->memory) return;
    for (size_t first = 0, width; first < outputs; first += width) {
        width = depthwise_width(outputs - first);
        for (size_t k = 0; k < taps; k++)
            for (size_t i = first; i < first + width; i++)
                *to++ = plan_float_at(of.weights.data, i * taps + k);
    }
    layer->inputs = taps;
    layer->weights = weights;
}
