/* What generated models have in common. */
#ifndef STROP_MCU_H
#define STROP_MCU_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An input or output of a model: where its values are in the arena. */
typedef struct {
    const char *name;
    uint32_t offset; /* from the start of the arena */
    uint32_t bytes;
} strop_array;

/* A model, for code that takes any. */
typedef struct {
    const char *name;
    const char *plan_sha256;   /* of the plan that the code was made from: 64 hexadecimal digits */
    uint32_t arena_bytes;      /* of memory that a run needs, aligned to 8 bytes */
    uint16_t inputs, outputs;  /* how many */
    const strop_array *arrays; /* the inputs, then the outputs */
    void (*run)(void *arena);  /* destroys the inputs */
} strop_model;

/* Samples with the outputs that were proven for them. */
typedef struct {
    const strop_model *model;
    uint32_t samples;
    const uint8_t *const *inputs;  /* for each input its values: [samples][bytes] */
    const uint8_t *const *outputs; /* for each output the same */
} strop_golden;

#ifdef __cplusplus
}
#endif

#endif
