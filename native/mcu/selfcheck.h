/* The board's side of `strop check BUNDLE --serial PORT`: it runs the golden samples that are
 * compiled in, compares the outputs with the proven ones, and answers in lines of text:
 *
 *     strop-check 1 mnist-mlp 3f0c..e1 8     version, model, SHA-256 of the plan, samples
 *     sample 0 0 1c291ca3                    index, differing bytes, CRC-32 of the outputs
 *     ...
 *     end 8d5f0a77                           CRC-32 of all lines before it
 */
#ifndef STROP_SELFCHECK_H
#define STROP_SELFCHECK_H

#include "strop_mcu.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const strop_golden *golden;
    void *arena;            /* the model's; a check overwrites it */
    int (*read_byte)(void); /* the next byte received, 0 to 255; negative: there is none */
    void (*write_byte)(uint8_t byte); /* send a byte; it may wait */
    uint32_t matched;                 /* bytes of the request received so far: 0 at first */
} strop_selfcheck;

/* Read what was received, 64 bytes at most, and answer if that completes the request, the text
 * "strop check". Returns 1 if it answered. Call it again and again, as from Arduino's loop(). */
int strop_selfcheck_poll(strop_selfcheck *check);

#ifdef __cplusplus
}
#endif

#endif
