"""The deepest stack, read from instructions, of small C programs whose frames are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from strop_export.errors import ConversionError, EngineMissing
from strop_export.firmware.cpus import CPUS, Cpu
from strop_export.firmware.frames import UnboundedStack
from strop_export.firmware.sizes import Sizes, measure_function

USED = "void use(volatile char *); volatile char *used; void use(volatile char *p) { used = p; }\n"


def measured(tmp_path: Path, cpu: Cpu, code: str, arena_bytes: int = 0) -> Sizes:
    source = tmp_path / "code.c"
    source.write_text(USED + code)
    return measure_function([source], (), "run", cpu, arena_bytes)


@pytest.mark.parametrize("cpu", CPUS, ids=lambda cpu: cpu.name)
def test_the_deepest_path_counts(cpu: Cpu, tmp_path: Path) -> None:
    code = """
    __attribute__((noinline)) static void small(void) { volatile char x[40]; x[0] = 1; use(x); }
    __attribute__((noinline)) static void large(void) { volatile char x[400]; x[0] = 1; use(x); }
    void run(int which) { volatile char x[80]; x[0] = 1; use(x); if (which) small(); else large(); }
    """
    assert 480 <= measured(tmp_path, cpu, code).stack_bytes <= 480 + 64


@pytest.mark.parametrize("cpu", CPUS, ids=lambda cpu: cpu.name)
def test_the_compiler_s_own_functions_count(cpu: Cpu, tmp_path: Path) -> None:
    """Division of 64 bits is a function, and so are floats where there is no FPU."""
    none = measured(tmp_path, cpu, "int run(int a) { return a; }")
    wide = measured(tmp_path, cpu, "long long run(long long a, long long b) { return a / b; }")
    floats = measured(tmp_path, cpu, "float run(float a, float b) { return a / b; }")
    assert none.stack_bytes == 0
    assert wide.stack_bytes > 0
    assert wide.code_bytes > none.code_bytes + 100
    assert (floats.code_bytes > 100) == (cpu.name not in ("cortex-m4", "cortex-m33"))


@pytest.mark.parametrize("cpu", [CPUS[0], CPUS[1], CPUS[-1]], ids=lambda cpu: cpu.name)
@pytest.mark.parametrize(
    "code",
    [
        "int run(int n) { volatile char x = 1; use(&x); return n ? run(n - 1) + x : 1; }",
        "int run(int n) { volatile char x[n]; x[0] = 1; use(x); return x[n - 1]; }",
        "int run(int (*f)(int)) { return f(1) + 1; }",
    ],
    ids=["recursion", "a computed size", "a call by a pointer"],
)
def test_what_has_no_bound_is_refused(cpu: Cpu, code: str, tmp_path: Path) -> None:
    with pytest.raises(UnboundedStack, match="run cannot be told"):
        measured(tmp_path, cpu, code)


@pytest.mark.parametrize("cpu", [CPUS[0], CPUS[-1]], ids=lambda cpu: cpu.name)
def test_memory_is_counted_where_it_lies(cpu: Cpu, tmp_path: Path) -> None:
    code = """
    static const volatile int table[100] = {1};
    static volatile int first[20] = {7}, zeros[50];
    volatile int unused[1000];
    int run(int i) { return table[i] + first[i] + zeros[i]; }
    """
    sizes = measured(tmp_path, cpu, code, arena_bytes=64)
    assert sizes.flash_bytes - sizes.code_bytes == pytest.approx(400 + 80, abs=16)
    variables = sizes.ram_bytes - sizes.stack_bytes - sizes.arena_bytes
    assert variables == pytest.approx(80 + 200, abs=16)
    assert sizes.arena_bytes == 64


def test_code_that_does_not_compile_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="nothing"):
        measured(tmp_path, CPUS[0], "int run(void) { return nothing; }")


def test_without_zig_the_error_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineMissing) as caught:
        measured(tmp_path, CPUS[0], "int run(void) { return 1; }")
    assert caught.value.mend == "pip install ziglang"
