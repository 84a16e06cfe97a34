/* Files and aligned memory for the programs of this folder. */
#ifndef STROP_TEST_FILES_H
#define STROP_TEST_FILES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "strop.h"

static inline void *take(size_t bytes) {
    /* aligned_alloc wants a multiple of the alignment; one more byte, so that nothing is not NULL
     */
    void *memory = NULL;
    if (posix_memalign(&memory, STROP_ALIGNMENT, bytes + 1)) {
        fprintf(stderr, "no memory for %zu bytes\n", bytes);
        exit(2);
    }
    return memory;
}

/* Read a whole file into memory that is exactly as large, so that ASan sees every read beyond. */
static inline uint8_t *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*bytes ? *bytes : 1);
    if (!data || fread(data, 1, *bytes, file) != *bytes) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    fclose(file);
    return data;
}

#endif
