/* Values that are copied into a tensor of other axes (concatenate, pad, transpose), and means along
 * axes. They run in plain C on every CPU. */
#ifndef STROP_MOVES_H
#define STROP_MOVES_H

#include "kernels.h"
#include "layout.h"
#include "operands.h"

/* Check the shapes, types and parameters of a step. */
const char *check_concatenate(const plan_step *step, const operands *of);
const char *check_pad(const plan_step *step, const operands *of);
const char *check_transpose(const plan_step *step, const operands *of);

/* A copy of one tensor, or constant, of a sample: runs of bytes that lie together in both x and y,
 * in a loop over axes, outermost first. */
typedef struct {
    place x;
    const uint8_t *constant; /* the values; NULL: they are in `x` */
    uint32_t x_bytes;        /* of a sample; 0 for a constant */
    uint32_t start;          /* in y, in bytes */
    uint32_t run_bytes;
    uint32_t axes;
    struct {
        uint32_t size, x_step, y_step; /* steps in bytes */
    } axis[STROP_MAX_RANK];
} move;

/* Describe the copy of one operand of a step. `place` and `constant` are left to the caller. */
void move_of_concatenate(const plan_step *step, const operands *of, uint32_t operand, move *to);
void move_of_pad(const plan_step *step, const operands *of, move *to);
void move_of_transpose(const plan_step *step, const operands *of, move *to);

/* Copy the values of some samples: x -> y [rows][y_bytes]. */
void move_run(const move *how, size_t rows, size_t y_bytes, const uint8_t *x, uint8_t *y);

#endif
