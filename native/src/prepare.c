/* From a plan to a model: checked, laid out, weights repacked. */
#include <string.h>

#include "float_mode.h"
#include "model.h"
#include "operands.h"
#include "rounding.h"

typedef struct {
    const plan_file *plan;
    const layout *layout;
    const strop_kernels *kernels;
    arena from; /* without memory in the first pass, which only counts */
    size_t run_bytes;
} builder;

/* The stored form of int8 is q + 128. */
static void store_int8(const uint8_t *values, size_t count, uint8_t *stored) {
    for (size_t i = 0; i < count; i++) stored[i] = values[i] ^ 0x80;
}

/* A step from 8 bits to 8 bits is a table of stored bytes. Return it, or NULL when counting. */
static uint8_t *build_table(builder *of, model_step *step) {
    uint8_t *table = arena_take(&of->from, 256);
    step->kind = RUN_LOOKUP;
    step->of.table = table;
    return table;
}

static void build_shift(builder *of, const plan_tensor *x, const plan_tensor *y, model_step *step) {
    uint8_t *table = build_table(of, step);
    if (!table) return;
    const int32_t zero_point = stored_zero_point(x);
    for (int32_t stored = 0; stored < 256; stored++) {
        const int32_t value = stored - zero_point + y->zero_point + 128;
        table[stored] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

static void build_lookup(builder *of, const plan_step *from, model_step *step) {
    plan_tensor values;
    uint8_t *table = build_table(of, step);
    plan_tensor_at(of->plan, from->inputs[1], &values);
    if (table) store_int8(values.data, 256, table);
}

static void build_quantize(builder *of, const plan_tensor *x, const plan_tensor *y,
                           model_step *step) {
    if (x->dtype != STROP_FLOAT32) {
        build_shift(of, x, y, step);
        return;
    }
    step->kind = RUN_QUANTIZE;
    step->of.quantize.scale = y->scale;
    step->of.quantize.zero_point = y->zero_point + 128;
    step->of.quantize.half_away = of->plan->rounding == ROUNDING_REFERENCE;
}

static void build_layer(builder *of, const plan_step *from, const plan_tensor *x,
                        model_step *step) {
    plan_tensor weights;
    plan_tensor_at(of->plan, from->inputs[1], &weights);
    step->rows = x->values / (weights.values / weights.dims[0]);
    if (x->dtype == STROP_INT8) {
        step->kind = RUN_INT8_LAYER;
        pack_int8_layer(of->plan, from, of->kernels->input_offset, &of->from, &step->of.int8);
    } else {
        step->kind = RUN_FLOAT_LAYER;
        pack_float_layer(of->plan, from, of->kernels->float_quads, &of->from, &step->of.layer);
        float_range(from->activation, &step->of.layer.low, &step->of.layer.high);
    }
}

static void build_windows(builder *of, const plan_step *from, model_step *step) {
    operands tensors;
    window windows;
    read_operands(of->plan, from, &tensors);
    read_windows(from, &tensors, &windows);
    if (from->op == OP_CONV_2D && windows_are_pixels(&windows)) {
        build_layer(of, from, &tensors.x, step);
        return;
    }
    const size_t run_bytes =
        windows_prepare(of->plan, from, &tensors, &windows, of->kernels, &of->from, step);
    if (run_bytes > of->run_bytes) of->run_bytes = run_bytes;
}

static void build_arithmetic(builder *of, const plan_step *from, model_step *step) {
    plan_tensor other;
    plan_tensor_at(of->plan, from->inputs[1], &other);
    step->kind = from->op == OP_ADD ? RUN_ADD : from->op == OP_SUB ? RUN_SUB : RUN_MUL;
    float_range(from->activation, &step->of.arithmetic.low, &step->of.arithmetic.high);
    step->of.arithmetic.constant = NULL;
    if (!other.data) {
        step->other = of->layout->places[from->inputs[1]];
        return;
    }
    step->rows = step->width / other.values;
    step->width = other.values;
    const size_t bytes = other.values * sizeof(float);
    float *constant = arena_take(&of->from, bytes);
    if (of->from.memory) step->of.arithmetic.constant = memcpy(constant, other.data, bytes);
}

static void build_pair(builder *of, const plan_step *from, model_step *step) {
    plan_tensor other;
    void *factors = arena_take(&of->from, 2 * PAIR_BLOCK * sizeof(int32_t));
    plan_tensor_at(of->plan, from->inputs[1], &other);
    uint8_t *constant = other.data ? arena_take(&of->from, other.values) : NULL;
    if (!of->from.memory) return;
    step->kind = RUN_PAIR;
    pair_prepare(of->plan, from, factors, &step->of.pair.how);
    step->of.pair.constant = constant;
    if (constant) {
        store_int8(other.data, other.values, constant);
        step->rows = step->width / other.values;
        step->width = other.values;
    } else {
        step->other = of->layout->places[from->inputs[1]];
    }
}

static void build_mean(builder *of, const plan_step *from, model_step *step) {
    operands tensors;
    read_operands(of->plan, from, &tensors);
    step->kind = RUN_MEAN;
    mean_prepare(of->plan, from, &tensors, &step->of.mean);
}

/* Prepare the copy of an operand, whose constant values the model keeps. */
static void build_move(builder *of, const plan_step *from, const operands *tensors,
                       uint32_t operand, move *to) {
    const plan_tensor *x = operand == 0   ? &tensors->x
                           : operand == 1 ? &tensors->second
                                          : &tensors->third;
    const size_t bytes = x->values * plan_value_bytes(x->dtype);
    uint8_t *constant = x->data ? arena_take(&of->from, bytes) : NULL;
    if (!to) return;
    if (from->op == OP_CONCATENATE) move_of_concatenate(from, tensors, operand, to);
    if (from->op == OP_PAD) move_of_pad(from, tensors, to);
    if (from->op == OP_TRANSPOSE) move_of_transpose(from, tensors, to);
    to->x = of->layout->places[from->inputs[operand]];
    if (!constant) return;
    to->constant = constant;
    to->x_bytes = 0;
    if (x->dtype == STROP_INT8)
        store_int8(x->data, bytes, constant);
    else
        memcpy(constant, x->data, bytes);
}

static void build_moves(builder *of, const plan_step *from, model_step *step) {
    operands tensors;
    const uint32_t count = from->inputs[1] == NONE ? 1 : from->inputs[2] == NONE ? 2 : 3;
    move *moves = arena_take(&of->from, count * sizeof *moves);
    read_operands(of->plan, from, &tensors);
    for (uint32_t i = 0; i < count; i++)
        build_move(of, from, &tensors, i, moves ? moves + i : NULL);
    step->kind = RUN_MOVES;
    step->of.moves.moves = moves;
    step->of.moves.count = count;
    step->of.moves.y_bytes = tensors.y.values * (uint32_t)plan_value_bytes(tensors.y.dtype);
    step->of.moves.fills = from->op == OP_PAD;
    step->of.moves.fill = (uint8_t)(is_float(&tensors.y) ? 0 : stored_zero_point(&tensors.y));
}

static void build_step(builder *of, const plan_step *from, model_step *step) {
    plan_tensor x, y;
    plan_tensor_at(of->plan, from->inputs[0], &x);
    plan_tensor_at(of->plan, from->output, &y);
    step->x = of->layout->places[from->inputs[0]];
    step->y = of->layout->places[from->output];
    step->rows = 1;
    step->width = x.values;
    switch (from->op) {
        case OP_QUANTIZE: build_quantize(of, &x, &y, step); break;
        case OP_DEQUANTIZE:
            step->kind = RUN_DEQUANTIZE;
            step->of.dequantize.scale = x.scale;
            step->of.dequantize.zero_point = stored_zero_point(&x);
            break;
        case OP_FULLY_CONNECTED: build_layer(of, from, &x, step); break;
        case OP_RELU:
        case OP_RELU6:
            step->kind = RUN_CLAMP;
            float_range(from->op == OP_RELU ? ACTIVATION_RELU : ACTIVATION_RELU6,
                        &step->of.arithmetic.low, &step->of.arithmetic.high);
            break;
        case OP_SIGMOID: step->kind = RUN_SIGMOID; break;
        case OP_TANH: step->kind = RUN_TANH; break;
        case OP_SOFTMAX:
            step->kind = RUN_SOFTMAX;
            step->of.beta = plan_float_at(from->parameters, 0);
            step->width = x.dims[x.rank - 1];
            step->rows = x.values / step->width;
            break;
        case OP_LOOKUP: build_lookup(of, from, step); break;
        case OP_CONV_2D:
        case OP_DEPTHWISE_CONV_2D:
        case OP_MAX_POOL_2D:
        case OP_AVERAGE_POOL_2D: build_windows(of, from, step); break;
        case OP_MEAN: build_mean(of, from, step); break;
        case OP_CONCATENATE:
        case OP_PAD:
        case OP_TRANSPOSE: build_moves(of, from, step); break;
        default:
            if (x.dtype == STROP_INT8)
                build_pair(of, from, step);
            else
                build_arithmetic(of, from, step);
    }
}

static void build_borders(builder *of, model_border *borders) {
    for (uint32_t i = 0; i < of->plan->inputs + of->plan->outputs; i++) {
        const uint32_t index = plan_border_at(of->plan, i);
        plan_tensor tensor;
        plan_tensor_at(of->plan, index, &tensor);
        char *name = arena_take(&of->from, tensor.name_bytes);
        if (!of->from.memory) continue;
        strop_border *border = &borders[i].border;
        border->name = memcpy(name, tensor.name, tensor.name_bytes);
        border->name_bytes = tensor.name_bytes;
        border->dtype = tensor.dtype;
        border->rank = tensor.rank;
        memcpy(border->dims, tensor.dims, sizeof border->dims);
        border->scale = tensor.scale;
        border->zero_point = tensor.zero_point;
        border->row_bytes = tensor.values * plan_value_bytes(tensor.dtype);
        borders[i].where = of->layout->places[index];
    }
}

static strop_model *build(builder *of) {
    const plan_file *plan = of->plan;
    uint32_t steps = 0;
    for (uint32_t i = 0; i < plan->steps; i++) {
        plan_step step;
        plan_step_at(plan, i, &step);
        steps += !step_is_alias(plan, &step);
    }
    strop_model *model = arena_take(&of->from, sizeof *model);
    model_border *borders =
        arena_take(&of->from, (uint64_t)(plan->inputs + plan->outputs) * sizeof *borders);
    model_step *to = arena_take(&of->from, (uint64_t)steps * sizeof *to);
    build_borders(of, borders);
    for (uint32_t i = 0; i < plan->steps; i++) {
        plan_step step;
        model_step unused;
        plan_step_at(plan, i, &step);
        if (!step_is_alias(plan, &step)) build_step(of, &step, of->from.memory ? to++ : &unused);
    }
    if (!of->from.memory) return NULL;
    model->kernels = of->kernels;
    model->inputs = plan->inputs;
    model->outputs = plan->outputs;
    model->steps = steps;
    model->run_bytes = (uint32_t)of->run_bytes;
    model->row_bytes = of->layout->row_bytes;
    model->borders = borders;
    model->step = to - steps;
    return model;
}

static const char *check_and_build(const void *bytes, size_t count, const strop_kernels *kernels,
                                   void *memory, size_t memory_bytes, strop_needs *needs,
                                   strop_model **model) {
    plan_file plan;
    layout places;
    const char *reason;
    if ((reason = plan_open(bytes, count, &plan))) return reason;
    if ((reason = plan_check(&plan, &needs->work))) return reason;
    if ((reason = layout_make(&plan, &places))) return reason;
    builder of = {&plan, &places, kernels, {NULL, 0}, 0};
    build(&of);
    if (of.from.used > MAX_BYTES) return "the prepared model would need more than 2^31 - 1 bytes";
    needs->model_bytes = (size_t)of.from.used;
    needs->run_bytes = of.run_bytes;
    needs->row_bytes = places.row_bytes;
    needs->inputs = plan.inputs;
    needs->outputs = plan.outputs;
    if (!model) return NULL;
    if (!memory || (uintptr_t)memory % STROP_ALIGNMENT)
        return "the memory of the model is not aligned to STROP_ALIGNMENT";
    if (memory_bytes < needs->model_bytes) return "the memory of the model is too small";
    memset(memory, 0, needs->model_bytes);
    of.from.memory = memory;
    of.from.used = 0;
    *model = build(&of);
    return NULL;
}

const char *strop_check(const void *plan, size_t plan_bytes, strop_needs *needs) {
    const uint64_t mode = float_mode_enter();
    const char *reason =
        check_and_build(plan, plan_bytes, strop_best_kernels(), NULL, 0, needs, NULL);
    float_mode_restore(mode);
    return reason;
}

const char *strop_prepare(const void *plan, size_t plan_bytes, const strop_kernels *kernels,
                          void *memory, size_t memory_bytes, strop_model **model) {
    strop_needs needs;
    const uint64_t mode = float_mode_enter();
    const char *reason =
        check_and_build(plan, plan_bytes, kernels, memory, memory_bytes, &needs, model);
    float_mode_restore(mode);
    return reason;
}

size_t strop_tile_rows(const strop_needs *needs) {
    enum { TILE_BYTES = 1 << 18 }; /* that stay in a cache of level 2 */
    const size_t rows = needs->row_bytes ? TILE_BYTES / needs->row_bytes : STROP_TILE_ROWS;
    return rows < 1 ? 1 : rows > STROP_TILE_ROWS ? STROP_TILE_ROWS : rows;
}

const strop_border *strop_input(const strop_model *model, uint32_t index) {
    return index < model->inputs ? &model->borders[index].border : NULL;
}

const strop_border *strop_output(const strop_model *model, uint32_t index) {
    return index < model->outputs ? &model->borders[model->inputs + index].border : NULL;
}
