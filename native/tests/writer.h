/* A writer of plans, small and without checks: it can write wrong ones. */
#ifndef STROP_TEST_WRITER_H
#define STROP_TEST_WRITER_H

#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "plan.h"

enum { WRITER_RECORDS = 128, WRITER_DATA = 1 << 20 };

typedef struct {
    uint32_t tensors, steps, inputs, outputs, data_bytes, rounding;
    uint8_t tensor[WRITER_RECORDS][56];
    uint8_t step[WRITER_RECORDS][32];
    uint32_t border[2][WRITER_RECORDS];
    uint8_t data[WRITER_DATA];
} plan_writer;

static inline void put_u32(uint8_t *at, uint32_t value) { memcpy(at, &value, sizeof value); }
static inline void put_float(uint8_t *at, float value) { memcpy(at, &value, sizeof value); }

static inline uint32_t write_data(plan_writer *to, const void *data, size_t bytes) {
    const uint32_t at = (to->data_bytes + 63) / 64 * 64;
    if (at + bytes > WRITER_DATA) abort();
    memcpy(to->data + at, data, bytes);
    to->data_bytes = at + (uint32_t)bytes;
    return at;
}

/* Add a tensor of any shape. */
static inline uint32_t write_shaped(plan_writer *to, uint32_t dtype, uint32_t rank,
                                    const uint32_t *dims, float scale, int32_t zero_point,
                                    const void *values) {
    if (to->tensors == WRITER_RECORDS) abort();
    uint8_t *record = to->tensor[to->tensors];
    size_t count = 1;
    memset(record, 0, sizeof to->tensor[0]);
    put_u32(record, dtype);
    put_u32(record + 4, rank);
    for (uint32_t i = 0; i < rank; i++) {
        put_u32(record + 8 + 4 * i, dims[i]);
        count *= dims[i];
    }
    put_float(record + 32, scale);
    put_u32(record + 36, (uint32_t)zero_point);
    put_u32(record + 40, values ? write_data(to, values, count * plan_value_bytes(dtype)) : NONE);
    put_u32(record + 44, NONE);
    put_u32(record + 48, NONE);
    return to->tensors++;
}

/* Add a tensor of up to two dimensions; `columns` 0: one dimension. */
static inline uint32_t write_tensor(plan_writer *to, uint32_t dtype, uint32_t rows,
                                    uint32_t columns, float scale, int32_t zero_point,
                                    const void *values) {
    const uint32_t dims[] = {rows, columns};
    return write_shaped(to, dtype, columns ? 2 : 1, dims, scale, zero_point, values);
}

static inline void write_scales(plan_writer *to, uint32_t tensor, const float *scales,
                                size_t count) {
    put_u32(to->tensor[tensor] + 44, write_data(to, scales, count * sizeof *scales));
}

static inline void write_step(plan_writer *to, uint32_t op, uint32_t x, uint32_t second,
                              uint32_t third, uint32_t output, uint32_t activation, float beta) {
    if (to->steps == WRITER_RECORDS) abort();
    uint8_t *record = to->step[to->steps++];
    memset(record, 0, sizeof to->step[0]);
    put_u32(record, op);
    put_u32(record + 4, x);
    put_u32(record + 8, second);
    put_u32(record + 12, third);
    put_u32(record + 16, output);
    put_u32(record + 20, activation);
    put_float(record + 24, beta);
}

/* Give the last step a parameter of one byte. */
static inline void write_parameter(plan_writer *to, uint32_t index, uint32_t value) {
    to->step[to->steps - 1][24 + index] = (uint8_t)value;
}

/* Make a tensor an input (0) or an output (1), with a name. */
static inline void write_border(plan_writer *to, int side, uint32_t tensor) {
    static const uint8_t name[] = {4, 0, 'n', 'a', 'm', 'e'};
    put_u32(to->tensor[tensor] + 48, write_data(to, name, sizeof name));
    to->border[side][side ? to->outputs++ : to->inputs++] = tensor;
}

/* Write the file into memory that is exactly as large. */
static inline uint8_t *write_plan(const plan_writer *from, size_t *bytes) {
    const uint32_t steps_at = 64 + from->tensors * 56;
    const uint32_t borders_at = steps_at + from->steps * 32;
    const uint32_t outputs_at = borders_at + from->inputs * 4;
    const uint32_t data_at = (outputs_at + from->outputs * 4 + 63) / 64 * 64;
    const uint32_t header[] = {
        1,  from->rounding, from->tensors, from->steps, from->inputs,    from->outputs,
        64, steps_at,       borders_at,    data_at,     from->data_bytes};
    *bytes = data_at + from->data_bytes;
    uint8_t *plan = calloc(*bytes, 1);
    if (!plan) abort();
    memcpy(plan, "STROPLAN", 8);
    memcpy(plan + 8, header, sizeof header);
    memcpy(plan + 64, from->tensor, from->tensors * sizeof from->tensor[0]);
    memcpy(plan + steps_at, from->step, from->steps * sizeof from->step[0]);
    memcpy(plan + borders_at, from->border[0], from->inputs * 4);
    memcpy(plan + outputs_at, from->border[1], from->outputs * 4);
    memcpy(plan + data_at, from->data, from->data_bytes);
    return plan;
}

#endif
