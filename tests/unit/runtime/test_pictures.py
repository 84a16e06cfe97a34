"""The rules of the picture steps in a manifest."""

from __future__ import annotations

from typing import Any

import pytest

from strop.bundle.manifest import InputSpec, Picture, PictureStep
from strop.bundle.pictures import MAX_STEPS, STEPS, is_picture

SOUND: dict[str, dict[str, Any]] = {
    "flatten": {"level": 255},
    "invert": {"when": "light-border"},
    "shrink": {"side": 300},
    "stretch": {"low": 2, "high": 98.5},
    "ink": {"reach": 20, "least": 20},
    "find": {"above": 0},
    "fit": {"width": 4, "height": 3, "fill": "border"},
    "centre": {"width": 4, "height": 3, "fill": 0},
    "resize": {"width": 4, "height": 3},
    "crop": {"width": 4, "height": 3},
    "normalise": {"scale": 0.5, "offset": -1},
}
CROP = PictureStep("crop", SOUND["crop"])
NAN, INFINITY = float("nan"), float("inf")
NO_NUMBERS: tuple[Any, ...] = (None, True, "1", [1], {}, NAN, INFINITY, -INFINITY)


def _spec(*shape: int, dtype: str = "uint8") -> InputSpec:
    return InputSpec("image", (None, *shape), dtype, None, ())


def _is_sound(name: str, options: dict[str, Any]) -> bool:
    """Tell whether a step is valid at its place in a picture that is valid without it."""
    step = PictureStep(name, options)
    steps = {"normalise": (CROP, step), "ink": (CROP, step), "find": (CROP, step, CROP)}.get(
        name, (step, CROP)
    )
    dtype = "float32" if name == "normalise" else "uint8"
    return is_picture(Picture("L", steps), _spec(3, 4, dtype=dtype))


@pytest.mark.parametrize("name", STEPS)
def test_each_step_is_known_with_its_options(name: str) -> None:
    assert _is_sound(name, SOUND[name])


@pytest.mark.parametrize("name", ["", "blur", "Crop", "crop "])
def test_an_unknown_step_is_refused(name: str) -> None:
    assert not _is_sound(name, {})
    assert not _is_sound(name, SOUND["crop"])


@pytest.mark.parametrize(("name", "option"), [(name, o) for name in SOUND for o in SOUND[name]])
def test_a_missing_option_is_refused(name: str, option: str) -> None:
    assert not _is_sound(name, {k: v for k, v in SOUND[name].items() if k != option})


@pytest.mark.parametrize("name", SOUND)
def test_an_option_of_no_step_or_of_another_is_refused(name: str) -> None:
    for extra in ("extra", "level", "width", "scale"):
        if extra not in SOUND[name]:
            assert not _is_sound(name, {**SOUND[name], extra: 1})


@pytest.mark.parametrize(("name", "option"), [(name, o) for name in SOUND for o in SOUND[name]])
def test_what_is_no_number_or_no_word_of_ours_is_refused(name: str, option: str) -> None:
    for value in NO_NUMBERS:
        assert not _is_sound(name, {**SOUND[name], option: value}), value


@pytest.mark.parametrize(
    ("name", "option", "good", "bad"),
    [
        ("flatten", "level", (0, 255, "contrast"), ("border", -1, 256, 1.0, 0.5, 10**400)),
        ("invert", "when", ("light-border",), ("dark-border", "")),
        ("shrink", "side", (1, 2**12), (0, 2**12 + 1, 4.0)),
        ("ink", "reach", (1, 50), (0, 51, 20.0)),
        ("ink", "least", (0, 255), (-1, 256, 20.0)),
        ("stretch", "low", (0, 0.5, 98), (-0.1, 98.5, 99, 10**400)),
        ("stretch", "high", (2.5, 3, 100), (2, 1, 100.1, 10**400)),
        ("find", "above", (0, 255), (-1, 256, 1.0)),
        ("fit", "width", (4,), (0, -4, 4.0, 3, 2**12 + 1, 10**400)),
        ("fit", "height", (3,), (0, -3, 3.0, 4, 2**12 + 1)),
        ("fit", "fill", (0, 255, "border"), (-1, 256, 1.0, "Border", "white")),
        ("centre", "fill", (0, 255), (-1, 256, 1.0, "border")),
        ("normalise", "scale", (-1, 0, 1e-9, 1e30), (1.1e30, -1.1e30, 10**400)),
        ("normalise", "offset", (-1, 0, 1e-9, -1e30), (1.1e30, -1.1e30, -(10**400))),
    ],
)
def test_values_have_their_limits(
    name: str, option: str, good: tuple[Any, ...], bad: tuple[Any, ...]
) -> None:
    def last(value: Any) -> bool:
        step = PictureStep(name, {**SOUND[name], option: value})
        return is_picture(Picture("L", (step,)), _spec(3, 4))

    sized = "width" in SOUND[name]
    for value in good:
        assert last(value) if sized else _is_sound(name, {**SOUND[name], option: value}), value
    for value in bad:
        assert not (last(value) if sized else _is_sound(name, {**SOUND[name], option: value})), (
            value
        )


@pytest.mark.parametrize("name", ["fit", "centre", "resize", "crop"])
@pytest.mark.parametrize(
    ("width", "height", "sound"),
    [
        (2048, 2048, True),
        (4096, 1024, True),
        (2049, 2048, False),
        (4097, 1, False),
        (1, 4097, False),
        (4096, 4096, False),
    ],
)
def test_no_step_makes_a_huge_picture(name: str, width: int, height: int, sound: bool) -> None:
    assert _is_sound(name, {**SOUND[name], "width": width, "height": height}) is sound


class TestOrder:
    @staticmethod
    def _picture(*names: str, mode: str = "L") -> Picture:
        return Picture(mode, tuple(PictureStep(name, SOUND[name]) for name in names))

    @pytest.mark.parametrize(
        ("names", "dtype"),
        [
            (("crop",), "uint8"),
            (("flatten", "invert", "fit"), "uint8"),
            (("shrink", "find", "fit", "invert", "stretch", "ink"), "uint8"),
            (("crop", "normalise"), "float32"),
            (("resize", "find", "centre", "normalise"), "float32"),
        ],
    )
    def test_these_work(self, names: tuple[str, ...], dtype: str) -> None:
        assert is_picture(self._picture(*names), _spec(3, 4, dtype=dtype))

    @pytest.mark.parametrize(
        "names",
        [
            (),
            ("flatten",),
            ("normalise",),
            ("invert", "stretch"),
            ("normalise", "crop"),
            ("crop", "normalise", "normalise"),
            ("crop", "normalise", "invert"),
            ("crop", "find"),
            ("crop", "shrink"),
            ("find", "crop"),
            ("ink", "crop"),
            ("crop", "flatten"),
            ("flatten", "flatten", "crop"),
        ],
    )
    def test_these_do_not(self, names: tuple[str, ...]) -> None:
        for dtype in ("uint8", "float32"):
            assert not is_picture(self._picture(*names), _spec(3, 4, dtype=dtype))

    def test_the_last_size_counts(self) -> None:
        larger = PictureStep("resize", {"width": 40, "height": 30})
        assert is_picture(Picture("L", (larger, CROP)), _spec(3, 4))
        assert not is_picture(Picture("L", (CROP, larger)), _spec(3, 4))

    @pytest.mark.parametrize(("side", "sound"), [(512, True), (513, False)])
    @pytest.mark.parametrize("name", ["ink", "find"])
    def test_a_drawing_is_looked_for_in_a_small_picture(
        self, name: str, side: int, sound: bool
    ) -> None:
        drawn = PictureStep(name, SOUND[name])
        for smaller in (
            PictureStep("shrink", {"side": side}),
            PictureStep("resize", {"width": 9, "height": side}),
        ):
            assert is_picture(Picture("L", (smaller, drawn, CROP)), _spec(3, 4)) is sound

    def test_there_are_so_many_and_no_more(self) -> None:
        assert is_picture(self._picture(*["crop"] * MAX_STEPS), _spec(3, 4))
        assert not is_picture(self._picture(*["crop"] * (MAX_STEPS + 1)), _spec(3, 4))


class TestInput:
    @pytest.mark.parametrize(
        ("mode", "shape", "sound"),
        [
            ("L", (3, 4), True),
            ("L", (3, 4, 1), True),
            ("RGB", (3, 4, 3), True),
            ("L", (3, 4, 3), False),
            ("L", (4, 3), False),
            ("L", (12,), False),
            ("L", (), False),
            ("L", (1, 3, 4), False),
            ("RGB", (3, 4), False),
            ("RGB", (3, 4, 1), False),
            ("RGB", (3, 3, 4), False),
            ("RGBA", (3, 4, 4), False),
            ("1", (3, 4), False),
            ("", (3, 4), False),
        ],
    )
    def test_the_size_and_channels_are_the_inputs(
        self, mode: str, shape: tuple[int, ...], sound: bool
    ) -> None:
        assert is_picture(Picture(mode, (CROP,)), _spec(*shape)) is sound

    @pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "bool", "float32"])
    def test_the_dtype_is_what_the_steps_end_in(self, dtype: str) -> None:
        floats = PictureStep("normalise", SOUND["normalise"])
        assert is_picture(Picture("L", (CROP,)), _spec(3, 4, dtype=dtype)) is (dtype == "uint8")
        picture = Picture("L", (CROP, floats))
        assert is_picture(picture, _spec(3, 4, dtype=dtype)) is (dtype == "float32")
