"""The counts of an evaluation: the same for any order and grouping, and right by other ways."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from strop_export.errors import EvaluationError
from strop_export.evaluation.tally import Tally
from strop_export.evaluation.tally.values import MOST_COLUMNS
from strop_export.figures import compare
from strop_export.rules import proportion
from tests.environments import run
from tests.unit.export.evaluation_kit import KINDS, Samples, samples
from tests.unit.export.outputs import spec

FEW = settings(max_examples=15, deadline=None)


def text(tally: Tally) -> str:
    return json.dumps(tally.to_json(), allow_nan=False)


def again(tally: Tally, of: Samples) -> Tally:
    return Tally.from_json(json.loads(text(tally)), [of.spec], reference=True, slices=["site"])


class TestAnyOrderAndGrouping:
    @pytest.mark.parametrize("kind", KINDS)
    @given(data=st.data(), seed=st.integers(0, 2**32 - 1), odd=st.booleans())
    @FEW
    def test_counts_and_figures_are_the_same(
        self, kind: str, data: st.DataObject, seed: int, odd: bool
    ) -> None:
        of = samples(kind, 40, seed, odd=odd)
        order = np.array(data.draw(st.permutations(range(40))))
        cuts = sorted(data.draw(st.lists(st.integers(0, 40), max_size=6)))
        batches = np.split(order, cuts)
        owners = data.draw(st.lists(st.integers(0, 2), min_size=7, max_size=7))
        parts = [
            of.tally(*(batch for batch, own in zip(batches, owners, strict=False) if own == part))
            for part in data.draw(st.permutations(range(3)))
        ]
        merged = again(parts.pop(), of)  # as a journal keeps it
        while parts:
            merged.merge(parts.pop())
        whole = of.all()
        assert text(merged) == text(whole)
        assert merged.figures() == whole.figures()
        json.dumps(whole.figures(), allow_nan=False)

    @pytest.mark.parametrize("kind", KINDS)
    def test_slices_are_the_figures_of_their_samples(self, kind: str) -> None:
        of = samples(kind, 200, odd=True)
        found = of.all().figures()["slices"]["site"]
        assert sorted(found) == ["s0", "s1", "s2", "s3"]
        for site, own in found.items():
            rows = np.array([i for i, each in enumerate(of.site) if each == site])
            alone = of.tally(rows).figures()
            assert own["samples"] == alone["samples"] == len(rows)
            wanted = alone["outputs"]["scores"]
            assert own["outputs"]["scores"].items() <= wanted.items()
            assert len(own["outputs"]["scores"]) > 5

    def test_an_empty_batch_counts_nothing(self) -> None:
        of = samples("class")
        tally = of.all()
        before = text(tally)
        tally.add([of.outputs[:0]], [of.labels[:0]], {"site": []}, [of.reference[:0]])
        assert text(tally) == before

    def test_several_outputs_are_counted_apart(self) -> None:
        a, b = samples("class"), samples("regression")
        tally = Tally([a.spec, b.spec._replace(name="size")], reference=False, slices=[])
        tally.add([a.outputs, b.outputs], [a.labels, None], {}, None)
        found = tally.figures()["outputs"]
        assert list(found) == ["scores", "size"]
        assert found["scores"]["accuracy"] == np.mean(a.outputs.argmax(-1) == a.labels)
        assert found["size"]["rmse"] == [None] * 3


class TestAgainstTheProof:
    """What a proof computes from all samples at once, with the same names."""

    def both(self, of: Samples) -> tuple[dict[str, Any], dict[str, Any]]:
        return of.figures(), compare(of.spec, of.outputs, of.reference, of.labels)

    def test_class(self) -> None:
        mine, proof = self.both(samples("class", 500))
        for name in ("accuracy", "disagreements", "top1_agreement"):
            assert mine[name] == proof[name]
        assert mine["max_abs_error"] == proof["max_abs_error"]
        assert 0.3 < mine["accuracy"] < 0.95

    @pytest.mark.parametrize("kind", ["binary", "multilabel"])
    def test_labels(self, kind: str) -> None:
        mine, proof = self.both(samples(kind, 500))
        for name in ("accuracy", "disagreements", "agreement", "f1"):
            assert mine[name] == pytest.approx(proof[name], rel=1e-12)
        assert abs(mine["auc"] - proof["auc"]) <= mine["auc_error"] < 0.002
        assert 0.6 < proof["auc"] < 0.99

    @pytest.mark.parametrize("kind", ["segmentation", "mask"])
    def test_segmentation(self, kind: str) -> None:
        mine, proof = self.both(samples(kind, 100))
        for name in ("accuracy", "disagreements", "agreement", "label_iou", "mean_iou"):
            assert mine[name] == pytest.approx(proof[name], rel=1e-12)

    def test_regression(self) -> None:
        mine, proof = self.both(samples("regression", 300))
        assert mine["rmse"] == pytest.approx(proof["rmse"], rel=1e-12)
        assert mine["r2"] == pytest.approx(proof["r2"], rel=1e-9)
        assert mine["max_abs_error"] == proof["max_abs_error"]
        assert mine["agreement"] is mine["disagreements"] is None

    def test_integers(self) -> None:
        mine, proof = self.both(samples("integers", 200))
        assert (mine["disagreements"], mine["agreement"]) == (
            proof["disagreements"],
            proof["agreement"],
        )


class TestClass:
    OF = samples("class", 1000)

    def test_by_class(self) -> None:
        found = self.OF.figures()
        decided, labels = self.OF.outputs.argmax(-1), self.OF.labels
        table = np.zeros((7, 7), int)
        np.add.at(table, (labels, decided), 1)
        assert found["confusion"] == table.tolist()
        own = found["by_class"]
        hits = np.diag(table)
        assert own["labelled"] == table.sum(1).tolist()
        assert own["decided"] == table.sum(0).tolist()
        assert own["precision"] == pytest.approx(hits / table.sum(0))
        assert own["recall"] == pytest.approx(hits / table.sum(1))
        assert own["f1"] == pytest.approx(2 * hits / (table.sum(0) + table.sum(1)))
        assert found["macro_recall"] == pytest.approx(np.mean(hits / table.sum(1)))
        limits = proportion(int(hits.sum()), 1000)
        assert found["accuracy_limits"] == [limits.low, limits.high]

    def test_the_five_best(self) -> None:
        ranked = np.argsort(-self.OF.outputs, axis=1, kind="stable")[:, :5]
        inside = (ranked == self.OF.labels[:, None]).any(axis=1)
        assert self.OF.figures()["top5_accuracy"] == inside.mean() < 1
        equal = np.zeros_like(self.OF.outputs)  # of equals, the lower classes
        found = self.OF._replace(outputs=equal).figures()
        assert found["top5_accuracy"] == (self.OF.labels < 5).mean()

    def test_few_classes_have_no_five_best(self) -> None:
        assert "top5_accuracy" not in samples("logits").figures()

    def test_calibration(self) -> None:
        found = self.OF.figures()
        confidence = self.OF.outputs.max(axis=1).astype(float)
        right = self.OF.outputs.argmax(axis=1) == self.OF.labels
        edges = np.linspace(0, 1, 16)
        distance = 0.0
        for i, (low, high) in enumerate(pairwise(edges)):
            inside = (confidence > low) & (confidence <= high)
            assert found["confidences"][i] == found["reliability"]["samples"][i] == inside.sum()
            if inside.any():
                distance += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
        assert found["ece"] == pytest.approx(distance, abs=2**-24)
        assert found["ece"] > 0.01
        assert found["confidence"] == pytest.approx(confidence.mean(), abs=2**-24)

    def test_auc_is_within_its_bound(self) -> None:
        found = self.OF.figures()
        areas = []
        for kind in range(7):
            scores, own = self.OF.outputs[:, kind], self.OF.labels == kind
            ordered = stats.mannwhitneyu(scores[own], scores[~own]).statistic
            areas.append(ordered / (own.sum() * (~own).sum()))
        assert abs(found["auc"] - np.mean(areas)) <= found["auc_error"] < 0.003
        assert found["auc_reason"] is None

    def test_logits_are_made_probabilities(self) -> None:
        of = samples("logits", 300)
        scores = of.outputs.astype(float)
        chances = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        other = of._replace(spec=of.spec._replace(logits=False), outputs=chances.astype(np.float32))
        mine, theirs = of.figures(), other.figures()
        assert mine["ece"] == pytest.approx(theirs["ece"], abs=1e-6)
        assert mine["confidence"] == pytest.approx(theirs["confidence"], abs=1e-6)
        assert mine["auc"] == pytest.approx(theirs["auc"], abs=mine["auc_error"])

    def test_many_classes_have_a_sparse_confusion_and_no_auc(self) -> None:
        of = samples("many", 400)
        found = of.figures()
        triples = found["confusion"]
        assert len(triples) < 400
        decided = of.outputs.argmax(-1).tolist()
        assert sum(count for *_, count in triples) == 400
        for label, said, count in triples:
            pairs = zip(of.labels.tolist(), decided, strict=True)
            assert count == sum(pair == (label, said) for pair in pairs)
        assert (found["auc"], found["auc_reason"]) == (None, "more than 100 classes")
        assert "macro_f1" not in of.all().figures()["slices"]["site"]["s1"]["outputs"]["scores"]

    def test_an_answer_that_is_not_finite_is_wrong_and_of_no_class(self) -> None:
        outputs = np.tile(np.array([[0.7, 0.3]], np.float32), (10, 1))
        outputs[3, 1], outputs[4, 0] = np.nan, np.inf
        tally = Tally([spec("class", (2,))], reference=False, slices=[])
        tally.add([outputs], [np.zeros(10, np.int64)], {}, None)
        found = tally.figures()["outputs"]["scores"]
        assert (found["samples"], found["labelled"], found["not_finite"]) == (10, 10, 2)
        assert (found["accuracy"], found["correct"]) == (0.8, 8)
        assert found["by_class"]["decided"] == [8, 0]
        assert found["confusion"] == [[8, 0], [0, 0]]
        assert found["by_class"]["recall"] == [0.8, None]
        assert sum(found["confidences"]) == 8


class TestBinary:
    OF = samples("binary", 800)

    def test_ks_is_within_its_bound(self) -> None:
        found = self.OF.figures()
        scores, labels = self.OF.outputs[:, 0], self.OF.labels
        exact = stats.ks_2samp(scores[labels == 1], scores[labels == 0]).statistic
        assert found["ks"] - 1e-12 <= exact <= found["ks"] + found["ks_error"] + 1e-12
        assert 0.3 < exact < 0.9
        assert found["ks_error"] < 0.01

    def test_calibration_is_of_the_probability_of_yes(self) -> None:
        scores, labels = self.OF.outputs[:, 0].astype(float), self.OF.labels
        bins = np.ceil(scores * 15)
        distance = sum(
            abs(labels[bins == i].mean() - scores[bins == i].mean()) * (bins == i).mean()
            for i in np.unique(bins)
        )
        assert self.OF.figures()["ece"] == pytest.approx(distance, abs=2**-24)

    def test_by_hand(self) -> None:
        tally = Tally([spec("binary", (1,))], reference=False, slices=[])
        outputs = np.array([[0.6], [0.7], [0.9], [0.4]], np.float32)
        tally.add([outputs], [np.array([0, 1, 1, 1])], {}, None)
        found = tally.figures()["outputs"]["scores"]
        assert found["confusion"] == [[0, 1], [1, 2]]
        assert found["precision"] == found["recall"] == found["f1"] == pytest.approx(2 / 3)
        assert found["auc"] == pytest.approx(2 / 3)
        assert found["decided"] == [1, 3]

    def test_one_class_has_no_auc(self) -> None:
        found = self.OF._replace(labels=self.OF.labels * 0).figures()
        assert found["auc"] is found["ks"] is found["recall"] is None
        assert found["precision"] == 0


class TestMultilabel:
    def test_each_label_is_as_a_binary_output(self) -> None:
        of = samples("multilabel", 300)
        found = of.figures()
        for column in range(3):
            tally = Tally([spec("binary", (1,), threshold=0.0)], reference=False, slices=[])
            tally.add([of.outputs[:, [column]]], [of.labels[:, column]], {}, None)
            alone = tally.figures()["outputs"]["scores"]
            for name in ("accuracy", "precision", "recall", "f1", "auc", "ks", "ece"):
                assert found["by_label"][name][column] == alone[name]
        assert found["macro_f1"] == pytest.approx(np.mean(found["by_label"]["f1"]))

    def test_a_label_that_is_never_decided_counts_0(self) -> None:
        tally = Tally([spec("multilabel", (2,))], reference=False, slices=[])
        outputs = np.array([[0.9, 0.1], [0.9, 0.2]], np.float32)
        tally.add([outputs], [np.array([[1, 1], [1, 0]])], {}, None)
        found = tally.figures()["outputs"]["scores"]
        assert found["by_label"]["precision"] == [1, None]
        assert found["macro_precision"] == found["macro_recall"] == 0.5

    def test_slices_take_many_labels_together(self) -> None:
        found = samples("tags", 60).all().figures()
        whole, (one, *_) = found["outputs"]["scores"], found["slices"]["site"].values()
        assert len(whole["by_label"]["f1"]) == 230
        assert whole["auc_reason"] == "more than 100 classes"
        own = one["outputs"]["scores"]
        assert "macro_f1" not in own
        assert own["samples"] == own["labelled"] == one["samples"]


class TestValues:
    OF = samples("regression", 300)

    def test_figures(self) -> None:
        found = self.OF.figures()
        outputs, labels = self.OF.outputs.astype(float), self.OF.labels
        error = outputs - labels
        assert found["bias"] == pytest.approx(error.mean(0).tolist(), rel=1e-9)
        assert found["mae"] == pytest.approx(np.abs(error).mean(0).tolist())
        assert found["largest_error"] == np.abs(error).max(0).tolist()
        assert found["mean"] == pytest.approx(outputs.mean(0).tolist())
        assert found["std"] == pytest.approx(outputs.std(0).tolist())
        assert found["lowest"] == outputs.min(0).tolist()
        assert found["highest"] == outputs.max(0).tolist()

    def test_many_columns_are_taken_together(self) -> None:
        of = samples("picture", 50)
        assert of.outputs[0].size > MOST_COLUMNS
        error = of.outputs.astype(float) - of.labels
        assert of.figures()["rmse"] == [pytest.approx(np.sqrt((error**2).mean()))]

    def test_a_huge_error_hides_no_small_one(self) -> None:
        """In float64 the small errors would be lost: 1e30 + 1 - 1e30 is 0."""
        tally = Tally([spec("raw", (1,))], reference=False, slices=[])
        outputs = np.array([[1e30], [1], [-1e30], [2]], np.float32)
        tally.add([outputs], [np.zeros((4, 1))], {}, None)
        found = tally.figures()["outputs"]["scores"]
        assert found["bias"] == [0.75]
        assert found["rmse"] == [pytest.approx(1e30 / np.sqrt(2))]

    def test_labels_far_from_zero_keep_their_spread(self) -> None:
        """Squares rounded to float64 would have no digit of a variance of 1 at 1.7e9."""
        random = np.random.default_rng(1)
        labels = 1.7e9 + random.normal(size=(500, 1))
        tally = Tally([spec("raw", (1,))], reference=False, slices=[])
        tally.add([labels.astype(np.float32)], [labels], {}, None)
        found = tally.figures()["outputs"]["scores"]
        assert found["label_std"] == [pytest.approx(labels.std(), rel=1e-9)]

    def test_values_that_cannot_be_summed_are_counted(self) -> None:
        tally = Tally([spec("raw", (2,))], reference=False, slices=[])
        outputs = np.array([[np.nan, 1], [1, 2], [-np.inf, 3], [4, 5]], np.float32)
        labels = np.array([[0.0, np.nan], [0.0, 1e300], [0.0, 2], [1, 2]])
        tally.add([outputs], [labels], {}, None)
        found = tally.figures()["outputs"]["scores"]
        assert (found["values"], found["labelled"]) == (8, 4)
        assert (found["not_finite"], found["labels_not_finite"]) == (2, 2)
        assert found["bias"] == [2.0, 2.0]
        assert found["mean"] == [2.5, 2.75]

    def test_labels_that_do_not_vary_have_no_r2(self) -> None:
        assert self.OF._replace(labels=self.OF.labels * 0).figures()["r2"] == [None] * 3


class TestWithoutLabels:
    @pytest.mark.parametrize("kind", KINDS)
    def test_no_figure_of_labels_is_a_number(self, kind: str) -> None:
        of = samples(kind, 50)
        with_them, without = of.figures(), of.figures(labels=False)
        assert with_them.keys() == without.keys()
        for name in ("accuracy", "correct", "ece", "auc", "f1", "label_iou", "confusion", "ks"):
            assert without.get(name) is None
        for name in ("bias", "rmse", "r2", "mae", "largest_error", "label_std"):
            assert set(without.get(name, [None])) == {None}
        assert without["labelled"] == 0

    def test_what_needs_no_labels_is_there(self) -> None:
        of = samples("class", 50)
        with_them, without = of.figures(), of.figures(labels=False)
        for name in ("confidence", "confidences", "top1_agreement", "max_abs_error", "samples"):
            assert without[name] == with_them[name] is not None
        assert without["by_class"]["decided"] == with_them["by_class"]["decided"]
        assert without["auc_reason"] == "no labels"

    def test_figures_are_of_the_samples_that_have_labels(self) -> None:
        of = samples("class", 50)
        tally = of.tally(np.arange(20))
        tally.merge(of.tally(np.arange(20, 50), labels=False))
        found = tally.figures()["outputs"]["scores"]
        assert (found["samples"], found["labelled"]) == (50, 20)
        assert found["accuracy"] == np.mean(of.outputs.argmax(-1)[:20] == of.labels[:20])


class TestRefusals:
    def test_a_column_has_at_most_1000_values(self) -> None:
        of = samples("class", 1001)
        site = list(map(str, range(1001)))
        tally = Tally([of.spec], reference=False, slices=["site"])
        tally.add([of.outputs[:600]], [None], {"site": site[:600]}, None)
        before = text(tally)
        refused = "column 'site' has more than 1,000 values"
        with pytest.raises(EvaluationError, match=refused):
            tally.add([of.outputs[600:]], [None], {"site": site[600:]}, None)
        assert text(tally) == before
        other = Tally([of.spec], reference=False, slices=["site"])
        other.add([of.outputs[600:]], [None], {"site": site[600:]}, None)
        with pytest.raises(EvaluationError, match=refused):
            tally.merge(other)
        assert text(tally) == before
        tally.add([of.outputs[600:1000]], [None], {"site": site[600:1000]}, None)
        assert len(tally.figures()["slices"]["site"]) == 1000

    def test_a_long_value(self) -> None:
        of = samples("class", 1)
        tally = Tally([of.spec], reference=False, slices=["site"])
        with pytest.raises(EvaluationError, match="a value of 201 characters, at most 200"):
            tally.add([of.outputs], [None], {"site": ["x" * 201]}, None)

    @pytest.mark.parametrize(
        ("kind", "labels", "said"),
        [
            ("class", [0, 7, 0], "from 0 to 7; give classes from 0 to 6"),
            ("class", [0, -1, 0], "from -1 to 0"),
            ("class", [0.0, 1.0, 2.0], "are float64 .* give integers"),
            ("binary", [0, 2, 0], "give classes from 0 to 1"),
            ("multilabel", [0, 1, 0], r"give integers \(3, 3\)"),
            ("regression", [0, 1, 0], r"give numbers \(3, 3\)"),
            ("class", [0, 1], "not one label and one value for each"),
        ],
    )
    def test_labels_that_do_not_fit(self, kind: str, labels: list[Any], said: str) -> None:
        of = samples(kind, 3)
        tally = Tally([of.spec], reference=False, slices=[])
        with pytest.raises(EvaluationError, match=said):
            tally.add([of.outputs], [np.array(labels)], {}, None)
        assert tally.samples == 0

    def test_answers_of_another_shape(self) -> None:
        of = samples("class", 3)
        tally = Tally([of.spec], reference=False, slices=[])
        with pytest.raises(EvaluationError, match=r"gives \(3, 6\), and its shape is \(None, 7\)"):
            tally.add([of.outputs[:, :6]], [None], {}, None)

    def test_parts_of_another_evaluation(self) -> None:
        of = samples("class")
        with pytest.raises(EvaluationError, match="different outputs or slices"):
            of.all().merge(Tally([of.spec], reference=False, slices=["site"]))


class TestDamagedRecords:
    """A damaged journal is an EvaluationError, whatever is in it, and no other error."""

    @pytest.mark.parametrize("kind", KINDS)
    @given(data=st.data())
    @FEW
    def test_other_things_in_any_place(self, kind: str, data: st.DataObject) -> None:
        of = samples(kind, 12, odd=True)
        value = json.loads(text(of.all()))
        place, key = self.some_place(value, data)
        old = place[key]
        new: Any = data.draw(
            st.sampled_from([None, True, -5, 0, 2**63, 2**300, 0.5, "x", "ffp1", "1p99999", [], {}])
        )
        place[key] = new
        if new is old or (new == old and type(new) is type(old)):
            return
        try:
            made = Tally.from_json(value, [of.spec], reference=True, slices=["site"])
        except EvaluationError as error:
            assert "damaged" in str(error)  # noqa: PT017
        else:  # one number for another, which nothing contradicts
            json.dumps(made.figures(), allow_nan=False)

    def some_place(self, value: Any, data: st.DataObject) -> tuple[Any, Any]:
        while True:
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            key = data.draw(st.sampled_from(keys))
            inner = value[key]
            if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
                return value, key
            value = inner

    @pytest.mark.parametrize(
        ("kind", "part", "name"),
        [
            *(("class", 0, name) for name in ("reliability", "decided", "true", "hits")),
            *(("class", 0, name) for name in ("best", "confusion", "ranks", "yes")),
            *(("multilabel", 0, name) for name in ("decisions", "reliability", "ranks")),
            *(("segmentation", 0, name) for name in ("pixels", "decided", "true", "hits")),
            ("segmentation", 0, "confusion"),
            ("regression", 0, "states"),
            ("regression", 1, "values"),
            ("segmentation", 1, "classes"),
        ],
    )
    def test_a_count_that_contradicts_the_others(self, kind: str, part: int, name: str) -> None:
        of = samples(kind, 50)
        value = json.loads(text(of.all()))
        counts = value["all"]["outputs"][part][name]
        first = next(i for i, count in enumerate(counts) if count > 0)
        counts[first] += 1
        with pytest.raises(EvaluationError, match="contradict"):
            Tally.from_json(value, [of.spec], reference=True, slices=["site"])

    def test_a_slice_that_lacks_samples(self) -> None:
        of = samples("class", 50)
        value = json.loads(text(of.all()))
        del value["slices"]["site"]["s1"]
        with pytest.raises(EvaluationError, match="'site': other samples than in all"):
            Tally.from_json(value, [of.spec], reference=True, slices=["site"])

    def test_counts_that_would_fill_the_memory(self) -> None:
        of = samples("class", 50)
        value = json.loads(text(of.all()))
        value["all"]["outputs"][0]["ranks"] = [-(10**12)]
        with pytest.raises(EvaluationError, match="ranks: not 7007 values"):
            Tally.from_json(value, [of.spec], reference=True, slices=["site"])


def test_workers_load_nothing_slow() -> None:
    script = (
        "import sys, strop_export.evaluation.tally\n"
        "print({'tensorflow', 'keras', 'matplotlib', 'scipy', 'rich'} & set(sys.modules))"
    )
    assert run(sys.executable, "-c", script).stdout.strip() == "set()"
