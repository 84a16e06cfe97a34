/* Runs generated C over samples: worker INPUT... OUTPUT...    files of plain
 * numbers
 *
 * STROP_MODEL is the model's identifier. Before each sample the arena is filled
 * with ones: what a run needs must come from its inputs and its constants. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strop_mcu.h"

extern const strop_model STROP_MODEL;

static int fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  return 1;
}

int main(int count, char **paths) {
  const strop_model *model = &STROP_MODEL;
  const int inputs = model->inputs, arrays = inputs + model->outputs;
  if (count != arrays + 1)
    return fail("another number of inputs and outputs than the model's");
  FILE **files = calloc((size_t)arrays, sizeof *files);
  uint8_t *arena = malloc(model->arena_bytes);
  if (!files || !arena)
    return fail("no memory");
  for (int i = 0; i < arrays; i++)
    if (!(files[i] = fopen(paths[i + 1], i < inputs ? "rb" : "wb")))
      return fail(paths[i + 1]);
  for (;;) {
    memset(arena, 0xff, model->arena_bytes);
    int read = 0;
    for (int i = 0; i < inputs; i++)
      read += fread(arena + model->arrays[i].offset, model->arrays[i].bytes, 1,
                    files[i]) == 1;
    if (read == 0)
      break;
    if (read < inputs)
      return fail("an input has fewer samples than another");
    model->run(arena);
    for (int i = inputs; i < arrays; i++)
      if (fwrite(arena + model->arrays[i].offset, model->arrays[i].bytes, 1,
                 files[i]) != 1)
        return fail(paths[i + 1]);
  }
  for (int i = 0; i < arrays; i++)
    if (fclose(files[i]))
      return fail(paths[i + 1]);
  free(files);
  free(arena);
  return 0;
}
