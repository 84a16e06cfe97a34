"""The folder for pages: small, the same bytes twice, without imports, and as its types say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import strop
from native.build import HERE
from native.web.build import WEB

MAX_BYTES = 64 * 2**10  # of strop.wasm
TYPES = (WEB / "strop.d.ts").read_text(encoding="utf-8")
ASK = """
const module = await WebAssembly.compile(require("node:fs").readFileSync(folder + "/strop.wasm"));
const { exports } = await WebAssembly.instantiate(module);
const strop = await import(folder + "/strop.mjs");
const { Model } = await import(folder + "/src/model.mjs");
console.log(JSON.stringify({
  imports: WebAssembly.Module.imports(module),
  kernels: exports.strop_best_kernels(),
  names: Object.keys(strop).sort(),
  version: strop.VERSION,
  methods: Object.getOwnPropertyNames(Model.prototype),
}));
"""


def test_the_core_imports_nothing_and_the_names_are_those_of_the_types(
    node: str, module: Path
) -> None:
    script = f"(async () => {{ const folder = {json.dumps(str(module))}; {ASK} }})()"
    ended = subprocess.run([node, "-e", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)

    assert found["imports"] == []
    assert found["kernels"] > 2**17  # the data are above the stack
    assert found["version"] == strop.__version__
    values = re.findall(r"^export (?:const|function|class) (\w+)", TYPES, re.MULTILINE)
    assert found["names"] == sorted({*values} - {"Model"})
    (described,) = re.findall(r"^export class Model \{(.*?)^\}", TYPES, re.MULTILINE | re.DOTALL)
    methods = set(re.findall(r"^  (\w+)\(", described, re.MULTILINE))
    assert set(found["methods"]) - {"run"} == methods | {"constructor"}


def test_a_build_elsewhere_is_equal_to_the_byte(
    zig_cache: None, module: Path, tmp_path: Path
) -> None:
    """The sources lie in another folder, so that no object comes from zig's cache."""
    for part in ("build.py", "include", "src", "web"):
        copy = shutil.copytree if (HERE / part).is_dir() else shutil.copyfile
        (tmp_path / "native").mkdir(exist_ok=True)
        copy(HERE / part, tmp_path / "native" / part)
    command = [sys.executable, "-m", "native.web.build", "--out", "made"]
    subprocess.run(command, cwd=tmp_path, check=True)
    files = [path.relative_to(module) for path in module.rglob("*") if path.is_file()]

    assert (module / "strop.wasm").stat().st_size <= MAX_BYTES
    assert {Path("strop.mjs"), Path("strop.d.ts"), Path("strop.wasm")} <= {*files}
    for file in files:
        assert (tmp_path / "made" / file).read_bytes() == (module / file).read_bytes()
