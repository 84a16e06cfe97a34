/* A board made of this machine: stdin and stdout are its serial line, which ends with stdin.
 * Compile it with a model's golden samples: -DGOLDEN=mnist_mlp_golden. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "selfcheck.h"

extern const strop_golden GOLDEN;

static int ended;

static int read_byte(void) {
    uint8_t byte;
    if (read(0, &byte, 1) == 1) return byte;
    ended = 1;
    return -1;
}

static void write_byte(uint8_t byte) {
    if (write(1, &byte, 1) != 1) exit(1);
}

int main(void) {
    void *arena = malloc(GOLDEN.model->arena_bytes); /* exactly: the sanitizers see its end */
    strop_selfcheck check = {&GOLDEN, arena, read_byte, write_byte, 0};
    if (!arena) return 1;
    for (const char *text = "board: starts"; *text; text++) write_byte((uint8_t)*text);
    unsigned answers = 0;
    while (!ended) answers += strop_selfcheck_poll(&check) != 0;
    fprintf(stderr, "%u answers\n", answers);
    free(arena);
    return 0;
}
