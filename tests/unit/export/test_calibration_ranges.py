"""The ranges of layers, and how they settle with the number of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strop_export.calibration import ranges, settling
from strop_export.calibration.ranges import Layer
from tests.unit.export.source_kit import chain, dense, floats, keras, pixels

layers = keras.layers


def measured(model: Any, *samples: Any, inner: bool = True) -> dict[str, Layer]:
    names = [f"input{i}" for i in range(len(samples))]
    plain = keras.Model(list(model.inputs), list(model.outputs))
    return {layer.name: layer for layer in ranges.measure(plain, names, samples, inner=inner)}


def test_each_layer_has_the_extremes_that_keras_computes() -> None:
    model = chain((6,), dense(8, "relu", name="a"), dense(3, name="b"))
    inside = keras.Model(model.inputs, [layer.output for layer in model.layers])
    samples = floats(6)
    found = measured(model, samples)
    assert list(found) == ["input0", "a", "b"]
    for layer, values in zip(found.values(), [samples, *inside(samples)], strict=True):
        np.testing.assert_array_equal(layer.low[:, 0], np.asarray(values).min(axis=1))
        np.testing.assert_array_equal(layer.high[:, -1], np.asarray(values).max(axis=1))


def test_layers_inside_others_are_measured_and_those_that_only_move_values_are_not() -> None:
    inner = chain((4, 4, 1), layers.Conv2D(2, 3, name="deep"), layers.Flatten(name="moves"))
    given = keras.Input((4, 4, 1))
    seen = inner(given)
    model = keras.Model(given, dense(2, name="end")(layers.Add(name="twice")([seen, seen])))
    assert list(measured(model, pixels(4, 4, 1))) == ["deep", "twice", "end"]  # bytes have a range


def test_integers_have_no_range() -> None:
    model = chain((5,), layers.Embedding(9, 3, name="looked_up"), dtype="int32")
    assert list(measured(model, np.arange(500, dtype=np.int32).reshape(100, 5) % 9)) == [
        "looked_up"
    ]


def test_a_layer_that_is_used_twice_has_one_range_of_both() -> None:
    given = keras.Input((4,))
    both = dense(4, kernel_initializer=keras.initializers.Identity(10.0), name="tenfold")
    found = measured(keras.Model(given, both(both(given))), floats(4))
    top = floats(4).max(axis=1)
    wanted = np.maximum(10 * top, 100 * top)
    np.testing.assert_allclose(found["tenfold"].high[:, -1], wanted, rtol=1e-6)
    assert found["tenfold"].size == 8


def test_layers_of_one_name_are_numbered() -> None:
    model = chain((6, 2), layers.Bidirectional(layers.SimpleRNN(3)))
    assert "simple_rnn_cell (2)" in measured(model, floats(6, 2))


def test_the_inner_range_is_that_of_all_values() -> None:
    values = np.random.default_rng(3).standard_t(2, (100, 5000)).astype(np.float32)
    model = chain((5000,), layers.ReLU(negative_slope=1.0, name="same"))
    found = measured(model, values)["input0"]
    settled = settling.settle([found])
    ends = np.sort(values.ravel())[[25, -26]]  # 0.005 % of 500,000 values at each end
    np.testing.assert_array_equal(settled["layers"][0]["inner_range"], ends)
    assert found.low.shape[1] < 20


def test_extremes_alone_are_the_same_extremes() -> None:
    model = chain((300,), dense(400, name="a"))
    all_of_it, quick = (measured(model, floats(300), inner=inner)["a"] for inner in (True, False))
    np.testing.assert_array_equal(quick.low[:, 0], all_of_it.low[:, 0])
    np.testing.assert_array_equal(quick.high[:, 0], all_of_it.high[:, -1])


def test_a_table_of_positions_is_no_layer_whatever_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @keras.saving.register_keras_serializable(package="test")
    class Positions(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return keras.ops.ones((1, 6)) + 0 * inputs[:1]

    given = keras.Input((6,))
    model = keras.Model(given, dense(3, name="end")(given + Positions(name="table")(given)))
    monkeypatch.setattr(ranges, "_LARGEST_BATCH", 99)  # and one sample alone
    assert "table" not in measured(model, floats(6))


def test_a_large_model_is_measured_on_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain((6,), dense(8, "relu", name="a"))
    monkeypatch.setattr(ranges, "_MOST_VALUES", 14 * 20)
    samples = floats(6)
    found = measured(model, samples)["input0"]
    assert len(found.low) == 20
    np.testing.assert_array_equal(found.low[[0, -1], 0], samples[[0, -1]].min(axis=1))


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain((6,), dense(8, "relu", name="a"))
    whole = measured(model, floats(6))["a"]
    monkeypatch.setattr(ranges, "_LARGEST_BATCH", 7)
    np.testing.assert_allclose(measured(model, floats(6))["a"].high, whole.high, rtol=1e-6)


def test_keras_is_left_as_it_was() -> None:
    before = keras.Operation.__call__
    measured(chain((6,), dense(8)), floats(6))
    assert keras.Operation.__call__ is before
    with pytest.raises(Exception, match="shape"):
        measured(chain((6,), dense(8)), floats(7))
    assert keras.Operation.__call__ is before


def of(*values: Any, name: str = "a") -> Layer:
    column = np.array(values, np.float32)[:, None]
    return Layer(name, 1, column, column)


class TestSettling:
    def test_what_is_missing_is_a_share_of_the_final_range(self) -> None:
        lacks = settling.settle([of(0, 10)])["layers"][0]["lacks"]
        assert lacks == [1.0, 0.0]  # one sample has no width
        row = settling.settle([of(*[0, 10] * 50)])["layers"][0]
        assert row["range"] == [0, 10]
        assert row["lacks"][-3:] == [0, 0, 0]

    def test_ranges_that_few_samples_fill_have_settled(self) -> None:
        slow = np.linspace(0, 1, 400)
        found = settling.settle([of(*[0, 1] * 200, name="fast"), of(*slow, name="slow")])
        assert found["steps"] == [1, 2, 5, 10, 20, 50, 100, 200, 400]
        assert found["settled_at"] == 50  # 2/51 of the range are outside 50 of even values
        assert found["last"] == "slow"

    def test_one_sample_that_makes_the_range_unsettles_it(self) -> None:
        values = [*np.linspace(0, 1, 399), 100]
        found = settling.settle([of(*np.linspace(0, 1, 400), name="even"), of(*values)])
        assert found["settled_at"] is None
        assert found["last"] == "a"
        assert found["widened"] > 0.2
        assert "second half of them widened the range of a by" in settling.last_doubling(found)

    def test_the_figures_are_those_of_more_orders(self, monkeypatch: pytest.MonkeyPatch) -> None:
        layer = of(*np.random.default_rng(1).normal(size=500))
        few = settling.settle([layer])
        assert few == settling.settle([layer])
        monkeypatch.setattr(settling, "_ORDERS", 400)
        many = settling.settle([layer])
        np.testing.assert_allclose(few["layers"][0]["lacks"], many["layers"][0]["lacks"], atol=0.12)

    def test_a_range_without_width_has_settled(self) -> None:
        found = settling.settle([of(*[3] * 64)])
        assert (found["settled_at"], found["widened"]) == (1, 0.0)

    @pytest.mark.parametrize("count", [2, 3, 7])
    def test_few_samples_are_no_error(self, count: int) -> None:
        found = settling.settle([of(*range(count))])
        assert found["steps"][-1] == found["samples"] == count
