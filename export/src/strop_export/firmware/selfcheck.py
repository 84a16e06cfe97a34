"""The programs that answer `strop check --serial` with the golden samples that are compiled in."""

from __future__ import annotations

from strop_export.firmware.names import comment
from strop_export.firmware.source import Model


def program(model: Model) -> str:
    """Return a program that answers on stdin and stdout, which a board has on its serial line."""
    prefix = model.prefix
    title = comment(model.name)
    return f"""/* Run the golden samples of {title} if `strop check --serial` asks. */
#include <stdio.h>

#include "{prefix}.h"
#include "strop/selfcheck.h"

static uint64_t arena[({prefix.upper()}_ARENA_BYTES + 7) / 8];
static int ended; /* on a computer, where stdin may end */

static int read_byte(void) {{
    const int byte = getchar();
    ended = byte < 0;
    return byte;
}}

static void write_byte(uint8_t byte) {{
    putchar(byte);
}}

int main(void) {{
    strop_selfcheck check = {{&{prefix}_golden, arena, read_byte, write_byte, 0}};
    while (!ended) strop_selfcheck_poll(&check);
    return 0;
}}
"""


def sketch(model: Model) -> str:
    """Return the Arduino example that does the same on `Serial`."""
    prefix = model.prefix
    title = comment(model.name)
    return f"""// Run the golden samples of {title} if `strop check --serial` asks.
#include <{prefix}.h>
#include <strop/selfcheck.h>

static uint64_t arena[({prefix.upper()}_ARENA_BYTES + 7) / 8];

static int read_byte() {{ return Serial.read(); }}  // -1: nothing was received
static void write_byte(uint8_t byte) {{ Serial.write(byte); }}

static strop_selfcheck check = {{&{prefix}_golden, arena, read_byte, write_byte, 0}};

void setup() {{ Serial.begin(115200); }}

void loop() {{ strop_selfcheck_poll(&check); }}
"""
