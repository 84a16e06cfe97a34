"""The files around a model's code: programs, build files, golden samples and its README."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop_export.firmware.arrays import array, number, wrapped
from strop_export.firmware.names import comment, shape
from strop_export.firmware.operators import C_TYPES
from strop_export.firmware.source import Border, Model

FLAGS: Final = ("-ffp-contract=off", "-ffunction-sections", "-fdata-sections")

# The number of the largest output.
_BEST: Final = """\
    int best = 0;
    for (int i = 1; i < {macro}_VALUES; i++)
        if (output[i] > output[best]) best = i;"""


class Golden(NamedTuple):
    """Samples that are compiled in.

    Attributes:
        inputs: for each input of the plan, its samples, (N, ...).
        outputs: for each output the proven values, (N, ...).
    """

    inputs: Sequence[NDArray[np.generic]]
    outputs: Sequence[NDArray[np.generic]]


def golden_source(model: Model, golden: Golden) -> str:
    """Return the source of golden samples, as the bytes of little-endian values."""
    prefix, arrays, samples = model.prefix, [], len(golden.inputs[0])
    for role, given in (("input", golden.inputs), ("output", golden.outputs)):
        for i, values in enumerate(given):
            plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
            arrays.append(array(f"{role}_{i}", plain.view(np.uint8)))
        names = ", ".join(f"{role}_{i}" for i in range(len(given)))
        arrays.append(f"static const uint8_t *const {role}s[{len(given)}] = {{{names}}};")
    return f"""/* {samples} golden samples of {comment(model.name)}, with proven outputs. */
#include "{prefix}.h"

{(chr(10) * 2).join(arrays)}

const strop_golden {prefix}_golden = {{&{prefix}, {samples}, inputs, outputs}};
"""


def main_program(model: Model, *, has_golden: bool) -> str:
    """Return a program that runs a sample: the first golden one, or zeros."""
    prefix = model.prefix
    lines = []
    for i, border in enumerate(model.inputs):
        if has_golden:
            lines.append(
                f"    memcpy({border.identifier}(arena), {prefix}_golden.inputs[{i}],\n"
                f"           {prefix}.arrays[{i}].bytes); /* a golden sample */"
            )
        else:
            lines.append(
                f"    memset({border.identifier}(arena), 0, {prefix}.arrays[{i}].bytes);"
                " /* your sample */"
            )
    lines.append(f"    {prefix}_run(arena);")
    lines += (_shown(model, border) for border in model.outputs)
    return f"""/* Run {comment(model.name)} on one sample. */
#include <stdio.h>
#include <string.h>

#include "{prefix}.h"

static uint64_t arena[({prefix.upper()}_ARENA_BYTES + 7) / 8];

int main(void) {{
{chr(10).join(lines)}
    return 0;
}}
"""


def _shown(model: Model, border: Border) -> str:
    """Return statements that print an output: its best class, or all values."""
    tensor = model.plan.tensors[border.number]
    kind, macro = C_TYPES[tensor.dtype], border.identifier.upper()
    name = border.identifier.removeprefix(f"{model.prefix}_")
    if is_classes(model, border):
        return f"""    const {kind} *output = {border.identifier}(arena);
{_BEST.format(macro=macro)}
    printf("class %d: %g\\n", best, (double)output[best]);"""
    return f"""    for (int i = 0; i < {macro}_VALUES; i++)
        printf("{name}[%d] = %g\\n", i, (double){border.identifier}(arena)[i]);"""


def is_classes(model: Model, border: Border) -> bool:
    """Tell whether an output looks like the scores of classes."""
    dims = model.plan.tensors[border.number].dims
    return len(model.outputs) == 1 and len(dims) == 1 and math.prod(dims) > 1


def sketch(model: Model) -> str:
    """Return the Arduino example."""
    prefix = model.prefix
    filled = "\n".join(
        f"    for (long i = 0; i < {border.identifier.upper()}_VALUES; i++)"
        f" {border.identifier}(arena)[i] = 0;  // your sensor"
        for border in model.inputs
    )
    shown = "\n".join(_printed(model, border) for border in model.outputs)
    return f"""// Run {comment(model.name)} again and again, and print what it says.
#include <{prefix}.h>

static uint64_t arena[({prefix.upper()}_ARENA_BYTES + 7) / 8];

void setup() {{ Serial.begin(115200); }}

void loop() {{
{filled}
    {prefix}_run(arena);
{shown}
    delay(1000);
}}
"""


def _printed(model: Model, border: Border) -> str:
    tensor, macro = model.plan.tensors[border.number], border.identifier.upper()
    kind = C_TYPES[tensor.dtype]
    if is_classes(model, border):
        return f"""    const {kind} *output = {border.identifier}(arena);
{_BEST.format(macro=macro)}
    Serial.println(best);"""
    return f"""    for (long i = 0; i < {macro}_VALUES; i++)
        Serial.println({border.identifier}(arena)[i]);"""


def cmake(model: Model, sources: Sequence[str], *, has_golden: bool) -> str:
    """Return CMakeLists.txt: a static library, and the programs where this is the whole project.

    Args:
        model: the model.
        sources: paths of C files of the library.
        has_golden: whether golden samples are compiled in, which selfcheck_main.c needs.
    """
    prefix = model.prefix
    names = ("main", "selfcheck_main") if has_golden else ("main",)
    made = "".join(
        f"""
    add_executable({prefix}_{name} {name}.c)
    target_link_libraries({prefix}_{name} PRIVATE {prefix}_model)"""
        for name in names
    )
    listed = "".join(f"\n    {path}" for path in sources)
    return f"""cmake_minimum_required(VERSION 3.13)
project({prefix}_model C)

add_library({prefix}_model STATIC{listed})
target_include_directories({prefix}_model PUBLIC src)
set_target_properties({prefix}_model PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
# Floats as they were proven: no fused multiply-add. The linker drops what is not called.
target_compile_options({prefix}_model PRIVATE {" ".join(FLAGS)})

if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR){made}
endif()
"""


def arduino_properties(model: Model) -> str:
    """Return library.properties of an Arduino library.

    Each model's library has the kernels. Linked as an archive (`dot_a_linkage`), two of them go
    into one sketch: the linker takes a kernel from the first alone.
    """
    prefix = model.prefix
    return f"""name={prefix}
version=1.0.0
author=strop-export
maintainer=strop-export
sentence=A neural network as C, made by strop-export.
paragraph=Plan {model.digest}.
category=Data Processing
url=
architectures=*
includes={prefix}.h
dot_a_linkage=true
"""


def readme(model: Model, *, has_golden: bool, has_tflm: bool) -> str:
    """Return the README of the folder."""
    prefix, macro = model.prefix, model.prefix.upper()
    rows = "\n".join(
        f"| `{border.identifier}` | {role} | {_markdown(model, border)} |"
        for role, borders in (("input", model.inputs), ("output", model.outputs))
        for border in borders
    )
    first, last = model.inputs[0], model.outputs[-1]
    kinds = [C_TYPES[model.plan.tensors[border.number].dtype] for border in (first, last)]
    more = ""
    if has_golden:
        more = f"""- `src/{prefix}_golden.c`: samples with proven outputs
- `selfcheck_main.c`, `examples/selfcheck/`: let `strop check --serial` ask the board for them
"""
    if has_tflm:
        more += (
            "- `tflm/`: the model for TensorFlow Lite for Microcontrollers; nothing here uses it\n"
        )
    return f"""# {comment(model.name)} for microcontrollers

C99 without a heap, libm or an operating system. It gives the bits of the plan
`{model.digest}`.

| function | | values |
|---|---|---|
{rows}

A run needs {model.arena.size:,} bytes for inputs, outputs and all between. Constants stay in flash.

```c
#include "{prefix}.h"

static uint64_t arena[({macro}_ARENA_BYTES + 7) / 8];

{kinds[0]} *input = {first.identifier}(arena); /* write it, */
{prefix}_run(arena);                /* run, */
const {kinds[1]} *output = {last.identifier}(arena);
```

A run destroys the inputs. Two runs at a time need two arenas.

- `src/`: the model, and in `src/strop/` the kernels
- `main.c`: runs one sample: `cmake -B build && cmake --build build && build/{prefix}_main`
- `examples/classify/`: a sketch; the folder is an Arduino library as it is
{more}
Any C99 compiler builds it: add the C files of `src` and `src/strop` to your project, and `src` to
the include path. Use `{" ".join(FLAGS)}`, and `-Wl,--gc-sections`
when linking, so that kernels that the model does not call take no flash. `-ffast-math` is refused:
it gives other bits.
"""


def _markdown(model: Model, border: Border) -> str:
    tensor = model.plan.tensors[border.number]
    meaning = ""
    if tensor.scale:
        meaning = f", {number(tensor.scale)[:-1]} x (value - ({tensor.zero_point}))"
    return f"{tensor.dtype} {shape(tensor.dims)}{meaning}"


def tflm_header(model: Model) -> str:
    """Return the header of the .tflite file as an array."""
    macro = f"{model.prefix.upper()}_MODEL_H"
    return f"""// {comment(model.name)} for TensorFlow Lite for Microcontrollers.
#ifndef {macro}
#define {macro}

extern const unsigned char {model.prefix}_model[];
extern const unsigned int {model.prefix}_model_len;

#endif
"""


def tflm_source(model: Model, tflite: bytes) -> str:
    """Return a .tflite file as an array, aligned as TensorFlow Lite wants it."""
    return f"""#include "{model.prefix}_model.h"

alignas(16) const unsigned char {model.prefix}_model[] = {{
{wrapped(f"0x{byte:02x}" for byte in tflite)}
}};
const unsigned int {model.prefix}_model_len = {len(tflite)};
"""
