/* Scratch is shared: from the largest tensor to the smallest, each takes the first gap among those
 * that are there at the same time. */
#include "layout.h"

#include <string.h>

#include "kernels.h"

typedef struct {
    const plan_file *plan;
    layout *result;
    uint16_t source[MAX_TENSORS];   /* the tensor whose place this one has; itself: its own */
    uint16_t written[MAX_TENSORS];  /* the step that writes a tensor with its own place */
    uint16_t last_use[MAX_TENSORS]; /* the last step that reads it */
    uint16_t in_scratch[MAX_TENSORS];
    uint32_t bytes[MAX_TENSORS]; /* of those in scratch */
    uint32_t count;              /* of those in scratch */
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
    return step->op >= OP_RELU && step->op <= OP_LOOKUP && step->op != OP_RESHAPE;
}

static uint32_t source_of(const planner *of, uint32_t tensor) {
    while (of->source[tensor] != tensor) tensor = of->source[tensor];
    return tensor;
}

/* Give a tensor a place in scratch, whose offset is found when all such tensors are known. */
static void put_in_scratch(planner *of, uint32_t index, uint32_t step) {
    plan_tensor tensor;
    plan_tensor_at(of->plan, index, &tensor);
    const size_t bytes = tensor.values * plan_value_bytes(tensor.dtype);
    of->result->places[index].kind = PLACE_SCRATCH;
    of->bytes[index] = (uint32_t)round_up(bytes, ROW_ALIGNMENT);
    of->written[index] = (uint16_t)step;
    of->in_scratch[of->count++] = (uint16_t)index;
}

static void place_inputs(planner *of) {
    for (uint32_t i = 0; i < of->plan->inputs; i++) {
        const uint32_t index = plan_border_at(of->plan, i);
        plan_tensor tensor;
        plan_tensor_at(of->plan, index, &tensor);
        if (tensor.dtype == STROP_INT8) { /* converted to the stored form */
            put_in_scratch(of, index, 0);
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
        put_in_scratch(of, step->output, index);
    }
}

/* Order the tensors in scratch: the largest first; of equals, the one that is written first. */
static void sort_by_size(planner *of) {
    uint16_t *list = of->in_scratch;
    for (uint32_t i = 1; i < of->count; i++) {
        const uint16_t index = list[i];
        uint32_t at = i;
        for (; at > 0 && of->bytes[list[at - 1]] < of->bytes[index]; at--) list[at] = list[at - 1];
        list[at] = index;
    }
}

static int are_there_together(const planner *of, uint32_t a, uint32_t b) {
    return of->written[a] <= of->last_use[b] && of->written[b] <= of->last_use[a];
}

/* Give each tensor in scratch its offset: false if there are too many bytes. Those that have one
 * are at the start of the list, by offset. */
static int find_offsets(planner *of) {
    place *places = of->result->places;
    uint16_t *list = of->in_scratch;
    for (uint32_t i = 0; i < of->count; i++) {
        const uint16_t index = list[i];
        uint32_t start = 0, at = 0;
        for (uint32_t k = 0; k < i; k++) {
            const uint32_t other = list[k], offset = places[other].at;
            if (!are_there_together(of, index, other)) continue;
            if (offset >= start && offset - start >= of->bytes[index]) break;
            if (offset + of->bytes[other] > start) start = offset + of->bytes[other];
        }
        if (of->bytes[index] > MAX_BYTES - start) return 0;
        while (at < i && places[list[at]].at <= start) at++;
        memmove(list + at + 1, list + at, (i - at) * sizeof *list);
        list[at] = index;
        places[index].at = start;
        const uint32_t end = start + of->bytes[index];
        if (end > of->result->row_bytes) of->result->row_bytes = end;
    }
    return 1;
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
        place_step(&of, i, &step);
    }
    sort_by_size(&of);
    if (!find_offsets(&of)) return "a row needs more than 2^31 - 1 bytes of scratch";
    for (uint32_t i = 0; i < plan->tensors; i++)
        result->places[i] = result->places[source_of(&of, i)];
    return NULL;
}
