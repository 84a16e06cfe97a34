/* Scratch is shared: a tensor takes the first gap among those that are still to be read. */
#include "layout.h"

#include <string.h>

#include "kernels.h"

enum { ROW_ALIGNMENT = 16 };

typedef struct {
    const plan_file *plan;
    layout *result;
    uint16_t source[MAX_TENSORS];   /* the tensor whose place this one has; itself: its own */
    uint16_t last_use[MAX_TENSORS]; /* the last step that reads a tensor with its own place */
    uint16_t present[MAX_TENSORS];  /* the tensors in scratch now, by offset */
    uint32_t count;
    uint32_t row_bytes;
    int too_large;
} planner;

int step_is_alias(const plan_file *plan, const plan_step *step) {
    plan_tensor x, y;
    if (step->op == OP_RESHAPE) return 1;
    if (step->op != OP_QUANTIZE) return 0;
    plan_tensor_at(plan, step->inputs[0], &x);
    plan_tensor_at(plan, step->output, &y);
    if (x.dtype == STROP_FLOAT32) return 0;
    /* int8 is stored as q + 128: uint8 with a zero point 128 higher has the same bytes. */
    return x.zero_point + (x.dtype == STROP_INT8 ? 128 : 0) == y.zero_point + 128;
}

/* Tell whether a step may write where it reads. */
static int step_is_in_place(const plan_step *step) {
    return step->op >= OP_RELU && step->op != OP_RESHAPE;
}

static uint32_t source_of(const planner *of, uint32_t tensor) {
    while (of->source[tensor] != tensor) tensor = of->source[tensor];
    return tensor;
}

static uint32_t scratch_bytes(const planner *of, uint32_t index) {
    plan_tensor tensor;
    plan_tensor_at(of->plan, index, &tensor);
    return (uint32_t)round_up(tensor.values * plan_value_bytes(tensor.dtype), ROW_ALIGNMENT);
}

static void drop_tensors_before(planner *of, uint32_t step) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < of->count; i++)
        if (of->last_use[of->present[i]] >= step) of->present[kept++] = of->present[i];
    of->count = kept;
}

static void put_in_scratch(planner *of, uint32_t index) {
    place *places = of->result->places;
    const uint32_t bytes = scratch_bytes(of, index);
    uint32_t at = 0, start = 0;
    for (; at < of->count; at++) {
        const uint32_t other = of->present[at];
        if (places[other].at - start >= bytes) break;
        start = places[other].at + scratch_bytes(of, other);
    }
    if (bytes > MAX_BYTES - start) {
        of->too_large = 1;
        return;
    }
    memmove(of->present + at + 1, of->present + at, (of->count - at) * sizeof *of->present);
    of->present[at] = (uint16_t)index;
    of->count++;
    if (start + bytes > of->row_bytes) of->row_bytes = start + bytes;
    places[index].kind = PLACE_SCRATCH;
    places[index].at = start;
}

static void place_inputs(planner *of) {
    for (uint32_t i = 0; i < of->plan->inputs; i++) {
        const uint32_t index = plan_border_at(of->plan, i);
        plan_tensor tensor;
        plan_tensor_at(of->plan, index, &tensor);
        if (tensor.dtype == STROP_INT8) { /* converted to the stored form */
            put_in_scratch(of, index);
        } else {
            of->result->places[index].kind = PLACE_INPUT;
            of->result->places[index].at = i;
        }
    }
}

/* Let float32 outputs be computed where the caller wants them. Others are copied at the end. */
static void place_outputs(planner *of) {
    for (uint32_t i = 0; i < of->plan->outputs; i++) {
        const uint32_t source = source_of(of, plan_border_at(of->plan, of->plan->inputs + i));
        place *where = &of->result->places[source];
        plan_tensor tensor;
        plan_tensor_at(of->plan, source, &tensor);
        if (where->kind == PLACE_NOWHERE && tensor.dtype == STROP_FLOAT32) {
            where->kind = PLACE_OUTPUT;
            where->at = i;
        } else {
            of->last_use[source] = (uint16_t)of->plan->steps; /* until the copy */
        }
    }
}

static void find_sources(planner *of) {
    for (uint32_t i = 0; i < of->plan->tensors; i++) of->source[i] = (uint16_t)i;
    for (uint32_t i = 0; i < of->plan->steps; i++) {
        plan_step step;
        plan_step_at(of->plan, i, &step);
        for (size_t k = 0; k < 3; k++)
            if (step.inputs[k] != NONE) of->last_use[source_of(of, step.inputs[k])] = (uint16_t)i;
        of->last_use[step.output] = (uint16_t)i;
        if (step_is_alias(of->plan, &step))
            of->source[step.output] = (uint16_t)source_of(of, step.inputs[0]);
    }
}

static void place_step(planner *of, uint32_t index, const plan_step *step) {
    const uint32_t x = source_of(of, step->inputs[0]);
    const place *where = of->result->places;
    if (source_of(of, step->output) != step->output || where[step->output].kind != PLACE_NOWHERE)
        return;
    if (step_is_in_place(step) && where[x].kind == PLACE_SCRATCH && of->last_use[x] == index) {
        of->source[step->output] = (uint16_t)x;
        of->last_use[x] = of->last_use[step->output];
    } else {
        put_in_scratch(of, step->output);
    }
}

const char *layout_make(const plan_file *plan, layout *result) {
    planner of;
    memset(&of, 0, sizeof of);
    memset(result, 0, sizeof *result);
    of.plan = plan;
    of.result = result;
    find_sources(&of);
    place_inputs(&of);
    place_outputs(&of);
    for (uint32_t i = 0; i < plan->steps; i++) {
        plan_step step;
        plan_step_at(plan, i, &step);
        drop_tensors_before(&of, i);
        place_step(&of, i, &step);
        if (of.too_large) return "a row needs more than 2^31 - 1 bytes of scratch";
    }
    for (uint32_t i = 0; i < plan->tensors; i++)
        result->places[i] = result->places[source_of(&of, i)];
    result->row_bytes = of.row_bytes;
    return NULL;
}
