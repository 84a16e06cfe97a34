/* Values that are copied into a tensor of other axes. */
#include "moves.h"

#include <string.h>

static const char *check_kinds(const operands *of) {
    if (!(is_int8(&of->x) && is_int8(&of->y)) && !(is_float(&of->x) && is_float(&of->y)))
        return "concatenate, pad and transpose are float32, or int8 with a scale";
    if (!are_alike(&of->x, &of->y))
        return "concatenate, pad or transpose changes the scale or the zero point";
    return of->x.rank == of->y.rank ? NULL : "concatenate, pad or transpose changes the rank";
}

/* Check an input of concatenate after the first: the sizes of x but along the axis. */
static const char *check_part(const plan_tensor *x, const plan_tensor *part, uint32_t axis) {
    if (part->rank != x->rank || part->scales || !are_alike(x, part))
        return "the inputs of concatenate differ in type, scale, zero point or rank";
    for (uint32_t i = 0; i < x->rank; i++)
        if (i != axis && part->dims[i] != x->dims[i])
            return "the inputs of concatenate differ along other axes";
    return NULL;
}

const char *check_concatenate(const plan_step *step, const operands *of) {
    const uint32_t axis = step->parameters[0];
    const int has_third = step->inputs[2] != NONE;
    const char *reason = check_kinds(of);
    if (reason) return reason;
    if (axis >= of->x.rank) return "concatenate has no such axis";
    if ((reason = check_part(&of->x, &of->second, axis))) return reason;
    if (has_third && (reason = check_part(&of->x, &of->third, axis))) return reason;
    for (uint32_t i = 0; i < of->x.rank; i++) {
        uint32_t size = of->x.dims[i]; /* sizes are at most 2^24 */
        if (i == axis) size += of->second.dims[i] + (has_third ? of->third.dims[i] : 0);
        if (of->y.dims[i] != size) return "the output of concatenate does not fit its inputs";
    }
    return NULL;
}

const char *check_pad(const plan_step *step, const operands *of) {
    const char *reason = check_kinds(of);
    if (reason) return reason;
    for (uint32_t i = 0; i < of->x.rank; i++)
        if (of->x.dims[i] + step->parameters[i] > of->y.dims[i])
            return "the output of pad is smaller than its input and the values before it";
    return NULL;
}

const char *check_transpose(const plan_step *step, const operands *of) {
    uint32_t seen = 0;
    const char *reason = check_kinds(of);
    if (reason) return reason;
    for (uint32_t i = 0; i < of->x.rank; i++) {
        const uint32_t axis = step->parameters[i];
        if (axis >= of->x.rank || seen >> axis & 1) return "transpose has an axis never, or twice";
        if (of->y.dims[i] != of->x.dims[axis])
            return "the output of transpose does not fit its input";
        seen |= UINT32_C(1) << axis;
    }
    return NULL;
}

/* Give the distance between neighbours along each axis, in bytes. */
static void steps_of(const plan_tensor *tensor, uint32_t *steps) {
    uint32_t step = (uint32_t)plan_value_bytes(tensor->dtype);
    for (uint32_t i = tensor->rank; i-- > 0; step *= tensor->dims[i]) steps[i] = step;
}

/* Join axes that are one in both x and y, from the last: of all, those of a run, then others. */
static void simplify(move *of) {
    uint32_t kept = STROP_MAX_RANK;
    for (uint32_t i = of->axes; i-- > 0;) {
        const uint32_t size = of->axis[i].size;
        const uint32_t x_step = of->axis[i].x_step, y_step = of->axis[i].y_step;
        const int is_first = kept == STROP_MAX_RANK;
        if (size == 1) continue;
        if (is_first && x_step == of->run_bytes && y_step == of->run_bytes) {
            of->run_bytes *= size;
        } else if (!is_first && x_step == of->axis[kept].x_step * of->axis[kept].size &&
                   y_step == of->axis[kept].y_step * of->axis[kept].size) {
            of->axis[kept].size *= size;
        } else {
            of->axis[--kept] = of->axis[i];
        }
    }
    of->axes = STROP_MAX_RANK - kept;
    memmove(of->axis, of->axis + kept, of->axes * sizeof *of->axis);
}

/* Describe the copy of x to y; `axes`: x's axis for each of y's, NULL: the same. */
static void describe(const plan_tensor *x, const plan_tensor *y, const uint8_t *axes, move *to) {
    uint32_t x_steps[STROP_MAX_RANK], y_steps[STROP_MAX_RANK];
    steps_of(x, x_steps);
    steps_of(y, y_steps);
    to->x_bytes = x->values * (uint32_t)plan_value_bytes(x->dtype);
    to->run_bytes = (uint32_t)plan_value_bytes(x->dtype);
    to->axes = x->rank;
    for (uint32_t i = 0; i < x->rank; i++) {
        const uint32_t from = axes ? axes[i] : i;
        to->axis[i].size = x->dims[from];
        to->axis[i].x_step = x_steps[from];
        to->axis[i].y_step = y_steps[i];
    }
    simplify(to);
}

/* Where a value of y is, in bytes, by the values before it along an axis. */
static uint32_t start_of(const plan_tensor *y, uint32_t axis, uint32_t before) {
    uint32_t steps[STROP_MAX_RANK];
    steps_of(y, steps);
    return steps[axis] * before;
}

void move_of_concatenate(const plan_step *step, const operands *of, uint32_t operand, move *to) {
    const plan_tensor *parts[] = {&of->x, &of->second, &of->third};
    const uint32_t axis = step->parameters[0];
    uint32_t before = 0;
    for (uint32_t i = 0; i < operand; i++) before += parts[i]->dims[axis];
    describe(parts[operand], &of->y, NULL, to);
    to->start = start_of(&of->y, axis, before);
}

void move_of_pad(const plan_step *step, const operands *of, move *to) {
    describe(&of->x, &of->y, NULL, to);
    to->start = 0;
    for (uint32_t i = 0; i < of->x.rank; i++) to->start += start_of(&of->y, i, step->parameters[i]);
}

void move_of_transpose(const plan_step *step, const operands *of, move *to) {
    describe(&of->x, &of->y, step->parameters, to);
    to->start = 0;
}

/* Copy runs along the last axis. Those of one value are the loops of a transpose. */
static void copy_line(size_t count, size_t x_step, size_t y_step, size_t run_bytes,
                      const uint8_t *x, uint8_t *y) {
    if (run_bytes == 1)
        for (size_t i = 0; i < count; i++) y[i * y_step] = x[i * x_step];
    else if (run_bytes == 4)
        for (size_t i = 0; i < count; i++) memcpy(y + i * y_step, x + i * x_step, 4);
    else
        for (size_t i = 0; i < count; i++) memcpy(y + i * y_step, x + i * x_step, run_bytes);
}

/* Copy from an axis on. The depth of the calls is the rank. */
static void copy_from(const move *how, uint32_t axis, const uint8_t *x, uint8_t *y) {
    const size_t x_step = how->axis[axis].x_step, y_step = how->axis[axis].y_step;
    const size_t size = how->axis[axis].size;
    if (axis + 1 == how->axes)
        copy_line(size, x_step, y_step, how->run_bytes, x, y);
    else
        for (size_t i = 0; i < size; i++) copy_from(how, axis + 1, x + i * x_step, y + i * y_step);
}

void move_run(const move *how, size_t rows, size_t y_bytes, const uint8_t *x, uint8_t *y) {
    for (size_t row = 0; row < rows; row++, x += how->x_bytes, y += y_bytes) {
        if (how->axes)
            copy_from(how, 0, x, y + how->start);
        else
            memcpy(y + how->start, x, how->run_bytes);
    }
}
