"""Compile a network's generated C into an extension module, and call it from Python.

This is for peers that turn a model into C. The call is our own small extension, because it is the
fastest way: 0.16 us for one image, with the new array for its result. cffi took 0.53 us at best in
its compiled mode and 0.69 in the other, ctypes 0.79 at best and 2.7 as it is often written. The
extension needs Python.h, like cffi's compiled mode, and no package.
"""

from __future__ import annotations

import platform
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from typing import TYPE_CHECKING

from benchmarks.peers import Absent, Call

if TYPE_CHECKING:  # a cold start only opens a module
    from pathlib import Path

_NAME = "strop_compiled_net"

# The generated loops sum products one by one, and vectorize only if the order of a sum is free.
# Vectors of the CPU's full width, and unrolling with several sums, each gain a little more. The
# -ffast-math versions of expf and division are disabled: they give NaN for a sigmoid below -88.
_FLAGS = (
    *("-O3", "-march=native", "-ffast-math", "-fno-builtin-expf", "-funroll-loops"),
    *("-fvariable-expansion-in-unroller", "-fvisibility=hidden", "-fPIC", "-w"),
)
_X86_FLAGS = ("-mprefer-vector-width=512", "-mrecip=none")

# The peer's own C must define `infer(images, pixels, out)` before this.
_MODULE = """
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

static PyObject *call(PyObject *self, PyObject *argument) {
    PyArrayObject *images = (PyArrayObject *)argument;
    npy_intp shape[2] = {PyArray_DIM(images, 0), CLASSES_OF_NET};
    PyObject *out = PyArray_SimpleNew(2, shape, NPY_FLOAT32);
    if (out != NULL)
        infer((int)shape[0], PyArray_DATA(images), PyArray_DATA((PyArrayObject *)out));
    return out;
}

static PyMethodDef methods[] = {{"call", call, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, MODULE_NAME, NULL, -1, methods};

__attribute__((visibility("default"))) PyMODINIT_FUNC MODULE_INIT(void) {
    import_array();
    return PyModule_Create(&definition);
}
"""


def require_compiler() -> None:
    """Check for a C compiler, before the work of generating anything.

    Raises:
        Absent: there is no C compiler here, or no Python.h for it.
    """
    _compiler()


def compile_module(
    source: str, folder: str, includes: tuple[str, ...] = (), classes: int = 10
) -> str:
    """Compile C into an extension module.

    Args:
        source: the C code, which defines `infer(images, pixels, out)`.
        folder: the folder for the module and its sources.
        includes: more folders with headers.
        classes: the number of classes of the network.

    Returns:
        The module's path.

    Raises:
        Absent: there is no C compiler here, or it cannot compile this.
    """
    from pathlib import Path

    import numpy as np

    compiler, headers = _compiler()
    code, object_, module = (Path(folder) / f"{_NAME}{end}" for end in (".c", ".o", ".so"))
    code.write_text(source + _MODULE, encoding="utf-8")
    flags = [*_flags(), f'-DMODULE_NAME="{_NAME}"', f"-DMODULE_INIT=PyInit_{_NAME}"]
    flags += [f"-I{place}" for place in (headers, np.get_include(), *includes)]
    flags.append(f"-DCLASSES_OF_NET={classes}")
    # Linked separately: with -ffast-math, linking a library adds start-up code that makes the
    # whole process, NumPy included, flush subnormal numbers to zero.
    _compile([compiler, *flags, "-c", str(code), "-o", str(object_)])
    _compile([compiler, "-shared", str(object_), "-o", str(module), "-lm"])
    return str(module)


def compile_program(code: Path, program: Path, library: Path, includes: tuple[str, ...]) -> Path:
    """Compile C into a program, as well as a module is compiled.

    Args:
        code: the C file.
        program: the program to write.
        library: a shared library that it uses, where it is.
        includes: folders with headers.

    Returns:
        The program's path.

    Raises:
        Absent: there is no C compiler here, or it cannot compile this.
    """
    compiler, _ = _compiler()
    object_ = program.with_suffix(".o")
    paths = [f"-I{place}" for place in includes]
    _compile([compiler, *_flags(), *paths, "-c", str(code), "-o", str(object_)])
    libraries = [str(library), f"-Wl,-rpath,{library.parent}", "-lm"]
    _compile([compiler, str(object_), *libraries, "-o", str(program)])
    return program


def open_module(path: str) -> Call:
    """Open a module that `compile_module` made.

    Args:
        path: the module's path.

    Returns:
        A call from uint8 (batch, 28, 28) to float32 (batch, 10).
    """
    loader = ExtensionFileLoader(_NAME, path)
    module = loader.create_module(ModuleSpec(_NAME, loader, origin=path))
    loader.exec_module(module)
    call: Call = module.call
    return call


def _flags() -> list[str]:
    return [*_FLAGS, *(_X86_FLAGS if platform.machine() == "x86_64" else ())]


def _compile(command: list[str]) -> None:
    import subprocess

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        name = command[0].rpartition("/")[2]
        raise Absent(f"{name} cannot compile this: {done.stderr.strip()[:300]}")


def _compiler() -> tuple[str, str]:
    """Find the C compiler, and the folder of Python.h."""
    import shutil
    import sysconfig
    from pathlib import Path

    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Absent("no C compiler; apt install gcc libc6-dev")
    headers = sysconfig.get_paths()["include"]
    if not (Path(headers) / "Python.h").is_file():
        raise Absent("no Python.h for this Python; apt install python3-dev")
    return compiler, headers
