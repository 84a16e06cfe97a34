/* Where the values of each tensor are in a run. */
#ifndef STROP_LAYOUT_H
#define STROP_LAYOUT_H

#include "plan.h"

enum { ROW_ALIGNMENT = 16 }; /* of tensors in scratch, if the scratch is aligned so */

typedef enum { PLACE_NOWHERE, PLACE_INPUT, PLACE_OUTPUT, PLACE_SCRATCH } place_kind;

typedef struct {
    uint32_t kind;
    uint32_t at; /* the number of the input or output, or the offset in scratch for one row */
} place;

typedef struct {
    place places[MAX_TENSORS];
    uint32_t row_bytes; /* scratch for one row */
} layout;

/* Lay out a plan that was checked. It fails if the scratch would be too large. */
const char *layout_make(const plan_file *plan, layout *result);

/* Tell whether a step only gives another name to the bytes of its input. */
int step_is_alias(const plan_file *plan, const plan_step *step);

#endif
