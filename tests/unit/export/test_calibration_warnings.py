"""Warnings about calibration samples: each fault is found, and honest samples are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export.calibration import examine, lines, samples, values
from strop_export.calibration.ranges import Layer
from strop_export.calibration.warning import Warned, is_no_chance, is_rarer
from tests.unit.export.outputs import probabilities
from tests.unit.export.outputs import spec as output
from tests.unit.export.source_kit import chain, dense, keras, read

layers = keras.layers
Values = NDArray[Any]


def random(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(count: int, *shape: int, seed: int = 1) -> NDArray[np.float32]:
    return random(seed).normal(size=(count, *shape)).astype(np.float32)


def found(folder: Path, model: Any, ours: Any, theirs: Any, **options: Any) -> list[str]:
    """Return the kinds of all warnings about a source."""
    both = ({"inputs": ours}, {"inputs": theirs})
    return [each["kind"] for each in examine(read(folder, model, *both, **options))["warnings"]]


def table() -> Any:
    return chain((4,), dense(8, "relu"), dense(3, "softmax"))


class TestChance:
    def test_the_chance_is_that_all_are_drawn_into_the_evaluation(self) -> None:
        assert not is_no_chance(19, 100, 100)  # 0.5 ** 19 is above one in a million
        assert is_no_chance(20, 100, 100)
        assert not is_no_chance(20, 100, 100, tests=10)
        assert not is_no_chance(0, 10, 10)

    def test_a_rare_property_may_be_rarer_by_chance(self) -> None:
        assert not is_rarer(0, 100, 15, 100, 1)
        assert is_rarer(0, 100, 25, 100, 1)
        assert is_rarer(3, 100, 50, 100, 1)
        assert not is_rarer(30, 100, 50, 100, 1)

    @pytest.mark.parametrize("kind", ["normal", "standard_t", "lognormal", "poisson"])
    def test_samples_of_one_source_pass_each_check(self, kind: str) -> None:
        for seed in range(20):
            options = {"df": 2} if kind == "standard_t" else {}
            rows = getattr(random(seed), kind)(size=(500, 12), **options).astype(np.float32)
            ours, theirs = rows[:100], rows[100:]
            assert not [
                *values.constant("x", ours, theirs),
                *values.clipped("x", ours, theirs),
                *values.saturated("x", ours),
                *samples.copies([ours], [theirs]),
            ]


class TestFew:
    def test_under_the_floor(self, tmp_path: Path) -> None:
        assert found(tmp_path, table(), normal(29, 4), normal(60, 4, seed=2)) == ["few"]

    def test_one_alone(self, tmp_path: Path) -> None:
        assert "few" in found(tmp_path, table(), normal(1, 4), normal(60, 4, seed=2))

    def test_that_have_not_settled(self, tmp_path: Path) -> None:
        source = read(tmp_path, table(), {"inputs": normal(60, 4)}, {"inputs": normal(99, 4)})
        (warned,) = (w for w in examine(source)["warnings"] if w["kind"] == "few")
        assert warned["found"].startswith("60 samples, and the second half of them widened")
        assert warned["mend"].startswith("give 120 or more")

    def test_that_have_settled_are_enough(self, tmp_path: Path) -> None:
        ours = random().choice([-1, 1], (60, 12)).astype(np.float32)
        theirs = random(2).choice([-1, 1], (60, 12)).astype(np.float32)
        assert not found(
            tmp_path, chain((12,), dense(12, kernel_initializer="identity")), ours, theirs
        )
        assert not found(tmp_path, table(), normal(200, 4), normal(99, 4, seed=2))

    def test_however_many_if_one_makes_the_range(self, tmp_path: Path) -> None:
        ours = normal(200, 4)
        ours[7] *= 1000
        assert found(tmp_path, table(), ours, normal(99, 4, seed=2)) == ["few"]


class TestConstant:
    def test_an_input(self) -> None:
        (warned,) = values.constant("x", np.ones((80, 3)), normal(60, 3))
        assert warned[:3] == ("constant", "x", "all 80 calibration samples are equal")

    def test_a_column(self) -> None:
        ours, theirs = normal(200, 4), normal(400, 4, seed=2)
        ours[:, 2] = 7
        (warned,) = values.constant("x", ours, theirs)
        assert warned.found == (
            "columns 2 (the first is 0) never vary in 200 calibration samples, and differ from "
            "that in up to 400 of 400 evaluation samples"
        )

    def test_pixels(self) -> None:
        ours, theirs = (random(s).integers(0, 9, (200, 12, 12), np.uint8) for s in (1, 2))
        ours[:, :6] = 0
        (warned,) = values.constant("x", ours, theirs)
        assert warned.found.startswith("72 of its 144 values never vary")

    def test_not_those_that_hardly_vary_anywhere(self) -> None:
        ours, theirs = np.zeros((200, 4), np.uint8), np.zeros((400, 4), np.uint8)
        ours[0], theirs[:20] = 1, 1
        ours[0, 1] = 0
        assert not list(values.constant("x", ours, theirs))


class TestClipped:
    def test_a_column_above_and_below(self) -> None:
        ours, theirs = normal(200, 4), normal(400, 4, seed=2)
        theirs[:100, 3], theirs[:100, 0] = 20, -20
        (warned,) = values.clipped("x", ours, theirs)
        assert warned.found.startswith("column 0 (the first is 0): 101 of 400 evaluation samples")
        assert warned.found.endswith("they reach -20 to 3.051; other such columns: 1")
        (warned,) = values.clipped("x", ours[:, 1:], theirs[:, 1:])
        assert warned.found.startswith("column 2 (the first is 0): 100 of 400 evaluation samples")

    def test_pictures_by_all_their_values(self) -> None:
        ours, theirs = normal(100, 8, 8, 1), normal(100, 8, 8, 1, seed=2) * 3
        (warned,) = values.clipped("x", ours, theirs)
        assert "evaluation samples are far outside the calibration range, " in warned.found

    def test_not_bytes(self) -> None:
        ours = random().integers(0, 100, (200, 4), np.uint8)
        assert not list(values.clipped("x", ours, ours + np.uint8(100)))

    def test_a_layer(self, tmp_path: Path) -> None:
        """Each column has its whole range, but they are never large together."""
        ours, theirs = normal(200, 6) * 0, random(2).uniform(-1, 1, (200, 6)).astype(np.float32)
        ours[np.arange(200), np.arange(200) % 6] = random().uniform(-1.2, 1.2, 200)
        model = chain((6,), dense(2, kernel_initializer="ones", name="sum"), dense(2, "softmax"))
        source = read(tmp_path, model, {"inputs": ours}, {"inputs": theirs})
        warned = [w for w in examine(source)["warnings"] if w["kind"] == "clipped"]
        assert "drive layer sum far outside its calibration range" in warned[0]["found"]

    def test_a_layer_is_compared_by_name(self) -> None:
        def layer(name: str, values: Values) -> Layer:
            return Layer(name, 1, values[:, None], values[:, None])

        ours = [layer("a", np.linspace(0, 1, 100)), layer("b", np.linspace(0, 9, 100))]
        theirs = [layer("b", np.linspace(0, 9, 100)), layer("a", np.linspace(0, 9, 100))]
        (warned,) = values.clipped_layers(ours, theirs)
        assert "drive layer a far" in warned.found
        assert not list(values.clipped_layers(ours, ours))


class TestSaturated:
    def test_a_sensor_at_its_limit(self) -> None:
        ours = normal(400, 3)
        ours[:, 1] = ours[:, 1].clip(-9, 1)
        (warned,) = values.saturated("x", ours)
        assert warned.found.startswith("column 1 (the first is 0): 1")
        assert "are exactly 1, the limit" in warned.found

    @pytest.mark.parametrize(
        "honest",
        [
            np.maximum(normal(400, 3), 0),  # nothing is there
            (random().integers(0, 256, (50, 9, 9, 1)) / 255).astype(np.float32),
            random().choice([0.0, 1.0], (300, 4)).astype(np.float32),
        ],
    )
    def test_not_zeros_steps_or_flags(self, honest: Values) -> None:
        assert not list(values.saturated("x", honest))

    @pytest.mark.parametrize("shape", [(400, 3), (400, 10, 1), (400, 30, 1), (400, 20, 3)])
    @pytest.mark.parametrize("jointly", [True, False])
    def test_not_samples_scaled_to_their_peaks(
        self, shape: tuple[int, ...], *, jointly: bool
    ) -> None:
        ours = normal(*shape)
        axes = tuple(range(1, ours.ndim if jointly or ours.ndim == 2 else ours.ndim - 1))
        low, high = (end(ours, axis=axes, keepdims=True) for end in (np.min, np.max))
        assert not list(values.saturated("x", ours / np.maximum(high, -low)))
        assert not list(values.saturated("x", ours / high))
        assert not list(values.saturated("x", (ours - low) / (high - low) * 2 - 1))

    def test_windows_at_the_limit(self) -> None:
        (warned,) = values.saturated("x", normal(400, 30, 1).clip(-9, 1.5))
        assert "are exactly 1.5, the limit" in warned.found

    def test_a_sensor_beside_flags(self) -> None:
        ours = np.concatenate([np.eye(3)[np.arange(400) % 3], normal(400, 1).clip(-9, 1)], axis=1)
        (warned,) = values.saturated("x", ours)
        assert warned.found.startswith("column 3")


class TestScale:
    def pictures(self) -> Values:
        return random().integers(0, 256, (120, 6, 6, 1)).astype(np.float32)

    def model(self, *first: Any) -> Any:
        return chain((6, 6, 1), *first, layers.Flatten(), dense(3, "softmax"))

    def test_bytes_as_floats(self, tmp_path: Path) -> None:
        model = self.model(layers.Rescaling(1 / 255))
        assert "scale" in found(tmp_path, model, self.pictures(), self.pictures()[:80] + 0)

    def test_scaled_before_a_layer_that_scales(self, tmp_path: Path) -> None:
        model, given = self.model(layers.Rescaling(1 / 255)), self.pictures() / 255
        assert "scale" in found(tmp_path, model, given, given[::-1][:80])
        assert "scale" not in found(tmp_path, self.model(), given, given[::-1][:80])

    @pytest.mark.parametrize(("factor", "wrong"), [(1, False), (0.001, True), (1000, True)])
    def test_other_units_than_a_normalization_learnt(
        self, factor: float, wrong: bool, tmp_path: Path
    ) -> None:
        normalization = layers.Normalization()
        rows = normal(400, 4) * 3 + 20
        normalization.adapt(rows)
        model = chain((4,), normalization, dense(3, "softmax"))
        kinds = found(tmp_path, model, rows[:200] * factor, rows[200:] * factor)
        assert ("scale" in kinds) is wrong


class TestClasses:
    spec = output("class")._replace(labels=("a", "b", "c", "d"))

    def test_one_alone(self) -> None:
        ours = np.eye(4, dtype=np.float32)[np.zeros(100, int)]
        theirs = np.eye(4, dtype=np.float32)[np.arange(199) % 4]
        (warned,) = samples.classes([self.spec], [ours], [theirs])
        assert warned.found == (
            "0 of 100 calibration samples are of class b, and 50 of 199 evaluation samples, by "
            "Keras's answers; other such classes: 2"
        )

    def test_one_that_only_keras_errors_give(self) -> None:
        ours = np.eye(4, dtype=np.float32)[np.minimum(np.arange(200) % 4, 2)]
        ours[:4] = np.eye(4)[3]
        theirs = np.eye(4, dtype=np.float32)[np.arange(400) % 4]
        (warned,) = samples.classes([self.spec], [ours], [theirs])
        assert warned.found.startswith("4 of 200 calibration samples are of class d, and 100 of")

    def test_not_a_rare_one(self) -> None:
        ours, theirs = (np.eye(4, dtype=np.float32)[np.arange(n) % 3] for n in (100, 200))
        theirs[:5] = np.eye(4)[3]
        assert not list(samples.classes([self.spec], [ours], [theirs]))

    def test_nor_a_regression(self) -> None:
        ours = np.eye(4, dtype=np.float32)[np.zeros(100, int)]
        assert not list(samples.classes([output("regression")], [ours], [probabilities(200)]))


class TestCopies:
    def of(self, ours: Values, theirs: Values) -> list[Warned]:
        return list(samples.copies([ours], [theirs]))

    def test_all_of_the_evaluation(self, tmp_path: Path) -> None:
        rows = normal(300, 4)
        (warned,) = self.of(rows, rows[::3])
        assert warned.found == (
            "all 100 of 100 evaluation samples are also calibration samples: the proof is not "
            "independent"
        )
        assert found(tmp_path, table(), rows, rows[::3]) == ["overlap"]

    def test_some_of_it(self) -> None:
        rows = normal(300, 4)
        (warned,) = self.of(rows[:200], rows[190:])
        assert warned.found == "10 of 110 evaluation samples are also calibration samples"
        assert not self.of(rows[:200], rows[198:])

    def test_over_all_inputs(self) -> None:
        ours, theirs = [normal(200, 2), normal(200, 3)], [normal(200, 2), normal(200, 3, seed=2)]
        assert not list(samples.copies(ours, theirs))
        assert list(samples.copies(ours, ours))

    def test_not_rows_of_few_flags_that_are_equal_by_chance(self) -> None:
        for flags in range(1, 14):
            rows = random(flags).integers(0, 2, (600, flags)).astype(bool)
            assert not self.of(rows[:200], rows[200:])
            assert not self.of(rows[:400], rows[400:])

    def test_duplicates(self) -> None:
        (warned,) = self.of(np.tile(normal(20, 4), (10, 1)), normal(100, 4, seed=2))
        assert warned.kind == "duplicates"
        assert warned.found == "only 20 of 200 calibration samples are different"


def test_a_layer_without_a_range_is_named(tmp_path: Path) -> None:
    model = chain(
        (4,),
        dense(4, bias_initializer=keras.initializers.Constant(1e38), name="huge"),
        layers.Rescaling(10.0, name="over"),
        layers.Activation("tanh"),
        layers.Rescaling(0.0),
        layers.Rescaling(1.0),
    )
    given = keras.Input((4,))
    both = keras.layers.Add()([model(given), given])
    source = read(
        tmp_path,
        keras.Model(given, dense(3, "softmax")(both)),
        {"inputs": normal(200, 4)},
        {"inputs": normal(99, 4, seed=2)},
    )
    examined = examine(source)
    assert [w["kind"] for w in examined["warnings"]] == ["infinite"]
    assert "layer over gives NaN or infinity" in examined["warnings"][0]["found"]
    assert "over" not in [row["layer"] for row in examined["settling"]["layers"]]


def test_a_model_without_floats_is_examined(tmp_path: Path) -> None:
    rows = random().integers(0, 5, (200, 6)).astype(np.int32)
    given = keras.Input((6,), dtype="int32")
    source = read(
        tmp_path,
        keras.Model(given, keras.ops.maximum(given, 2)),
        {"inputs": rows[:100]},
        {"inputs": rows[100:]},
    )
    assert next(lines({"calibration": examine(source)})) == (
        "calibration: 75 samples, 25 held out; there are no ranges to compare"
    )
