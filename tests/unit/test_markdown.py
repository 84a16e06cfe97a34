"""The comparison of samples in pages with what commands print can fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.markdown import blocks, follow, require_sample, unmarked

CHECK = "litert     int8       tflite   passed  0          0.930  3.7     2.3.0"
EXPORT = " int8       tflite   litert 2.3.0      48,688    0.9882         9       0.13"


@pytest.mark.parametrize(
    ("sample", "printed"),
    [
        (CHECK, CHECK.replace("3.7 ", "91.5").replace(" 0  ", " 1e-6")),
        (EXPORT, EXPORT.replace("0.13", "0.2").replace(" 9 ", " 11 ")),
        ("on AMD EPYC", "on Cortex-A76"),
        ("mnist.strop  (901,817 bytes)", "mnist.strop (899,000 bytes)"),
        ("a  7  0.9997", "INFO: noise\na  7  1.0000"),
        ("2026-11-23T09:12:40Z  5c0414587bb3", "2027-01-01T00:00:00Z  000000000000"),
        ("a\n...\nc", "a\nb\nc"),
    ],
)
def test_what_differs_by_machine_agrees(sample: str, printed: str) -> None:
    require_sample(sample.splitlines(), printed)


@pytest.mark.parametrize(
    ("sample", "printed"),
    [
        (CHECK, CHECK.replace("0.930", "0.870")),
        (CHECK, CHECK.replace("2.3.0", "2.4.0")),
        (CHECK, CHECK.replace("passed", "FAILED")),
        (EXPORT, EXPORT.replace("48,688", "54,688")),
        (EXPORT, EXPORT.replace("0.9882", "0.9582")),
        (EXPORT, EXPORT.replace(" 9 ", " 29 ")),
        ("mnist.strop  (901,817 bytes)", "mnist.strop (801,817 bytes)"),
        ("a  7  0.9997", "a  1  1.0000"),
        ("a\nc", "c\na"),
        ("a b", "a"),
    ],
)
def test_what_is_another_result_does_not(sample: str, printed: str) -> None:
    with pytest.raises(AssertionError, match="is not in"):
        require_sample(sample.splitlines(), printed)


PAGE = """
<!-- save as app.py -->
```python
print("7 of 7")
```
<!-- run -->
```sh
python app.py
```
<!-- printed -->
```
7 of 7
```
<!-- run -->
```
$ python app.py
7 of 7
$ make nothing
```
```
strop check x
```
"""


def test_a_page_is_followed(tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    assert len(blocks(PAGE)) == 5
    assert unmarked(PAGE) == ["strop check x"]
    follow(PAGE, tmp_path, programs, {})
    for wrong in (
        PAGE.replace("\n7 of 7", "\n70 of 7"),
        PAGE.replace("$ python app", "$ false app"),
    ):
        with pytest.raises(AssertionError):
            follow(wrong, tmp_path, programs, {})
