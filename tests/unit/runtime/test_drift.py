"""The judgement of drift: levels, what is not judged, and the words for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop.bundle.counts import Counts
from strop.bundle.manifest import Histogram, Manifest, OutputSpec
from strop.bundle.open import open_bundle
from strop.diagnostics.drift import (
    ALIKE,
    DRIFTED,
    LEAST,
    WATCH,
    Finding,
    Judgement,
    judge,
)
from strop.diagnostics.drift_statistics import adjusted, joined, ordered, unordered
from strop.diagnostics.drift_words import headline, in_words, place
from strop.errors import BundleError, InputError
from tests import bundles
from tests.profiles import CALIBRATION, counted, pictures, profiled


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return profiled(bundles.image(), CALIBRATION).write(
        tmp_path_factory.mktemp("drift") / "shapes.strop"
    )


@pytest.fixture(scope="module")
def manifest(path: Path) -> Manifest:
    return open_bundle(str(path)).manifest


def finding(judgement: Judgement, figure: str) -> Finding:
    (found,) = (one for one in judgement.findings if one.figure == figure)
    return found


class TestLevels:
    @pytest.mark.parametrize("samples", [50, 200, 2000])
    def test_pictures_of_the_same_distribution_are_alike(
        self, samples: int, path: Path, manifest: Manifest
    ) -> None:
        judgement = judge(manifest, counted(path, pictures(samples, seed=2)))
        assert judgement.level == ALIKE
        assert {one.level for one in judgement.findings} == {ALIKE}
        assert len(judgement.findings) == 20
        assert not judgement.unjudged
        assert headline(judgement) == "the input looks like what the model was proven on"

    @pytest.mark.parametrize("samples", [50, 200, 2000])
    def test_darker_pictures_have_drifted(
        self, samples: int, path: Path, manifest: Manifest
    ) -> None:
        judgement = judge(manifest, counted(path, pictures(samples, seed=2, high=150)))
        assert judgement.level == DRIFTED
        assert finding(judgement, "mean").level == DRIFTED
        assert in_words(finding(judgement, "mean"), named=False) == "the picture is darker"
        assert finding(judgement, "mean").seen[0] > samples / 2

    def test_a_sure_difference_that_is_not_large_is_a_watch(
        self, path: Path, manifest: Manifest
    ) -> None:
        judgement = judge(manifest, counted(path, pictures(3000, seed=2, high=244)))
        assert judgement.level == WATCH
        strongest = judgement.findings[0]
        assert strongest.p_value < 0.01
        assert 0.1 < strongest.excess < 0.25

    def test_one_cell_alone_is_found_and_named(self, path: Path, manifest: Manifest) -> None:
        given = pictures(400, seed=2)
        given[:, 0, 1] = 255
        judgement = judge(manifest, counted(path, given))
        strongest = judgement.findings[0]
        assert (strongest.figure, strongest.level) == ("cell 0 1", DRIFTED)
        assert headline(judgement).startswith("cell 0 1 (top, second from left) is brighter")

    def test_findings_stand_in_order_of_their_strength(
        self, path: Path, manifest: Manifest
    ) -> None:
        given = pictures(400, seed=2)
        given[:, 0, 1] = 255
        given[:, 2, 2] //= 2
        findings = judge(manifest, counted(path, given)).findings
        order = [(DRIFTED, WATCH, ALIKE).index(one.level) for one in findings]
        assert order == sorted(order)
        drifted = [one.excess for one in findings if one.level == DRIFTED]
        assert drifted == sorted(drifted, reverse=True)
        assert len(drifted) >= 2

    def test_false_alarms_are_rare_over_many_draws(self, manifest: Manifest) -> None:
        """Samples of the profile's own shares: nothing has changed, by construction."""
        random = np.random.default_rng(5)
        levels = [judge(manifest, drawn(manifest, 200, random)).level for _ in range(300)]
        assert levels.count(ALIKE) >= 290
        assert DRIFTED not in levels

    def test_what_chance_explains_is_no_watch(self, manifest: Manifest) -> None:
        """A sure difference, whose index is above 0.1 only because the sample is small."""
        one = Histogram("mean", tuple(map(float, range(1, 10))), (50,) * 10)
        seen = (14, 13, 13, 13, 13, 27, 27, 27, 27, 26)
        only = manifest._replace(
            inputs=(manifest.inputs[0]._replace(profile=(one,)),),
            outputs=(manifest.outputs[0]._replace(profile=()),),
        )
        (found,) = judge(only, counts_of(((seen,),), ((),), 200)).findings
        assert found.p_value < 0.01
        assert found.psi > 0.1 > found.excess == found.psi - found.by_chance
        assert found.level == ALIKE
        more = tuple(20 * count for count in seen)
        (found,) = judge(only, counts_of(((more,),), ((),), 4000)).findings
        assert found.level == WATCH

    def test_p_values_are_adjusted_for_all_figures(self, path: Path, manifest: Manifest) -> None:
        findings = judge(manifest, counted(path, pictures(300, seed=2, high=240))).findings
        alone = [
            (
                unordered(*joined(one.expected, one.seen))
                if one.figure == "class"
                else ordered(one.expected, one.seen)
            )[1]
            for one in findings
        ]
        assert [one.p_value for one in findings] == adjusted(alone)
        assert [one.p_value for one in findings] != alone


def drawn(manifest: Manifest, samples: int, random: np.random.Generator) -> Counts:
    """Counts that are drawn from the profile, each histogram for itself."""

    def bins(profile: tuple[Histogram, ...]) -> tuple[tuple[int, ...], ...]:
        return tuple(
            tuple(random.multinomial(samples, np.divide(one.counts, sum(one.counts))).tolist())
            for one in profile
        )

    return counts_of(
        tuple(bins(spec.profile) for spec in manifest.inputs),
        tuple(bins(spec.profile) for spec in manifest.outputs),
        samples,
    )


def counts_of(inputs: Any, outputs: Any, samples: int) -> Counts:
    return Counts(
        schema=1,
        bundle="d" * 64,
        name="shapes",
        model_version=1,
        engine="reference",
        precision="float32",
        every=1,
        calls=samples,
        samples=samples,
        since="2026-11-28T05:00:00Z",
        until="2026-11-28T06:00:00Z",
        inputs=inputs,
        outputs=outputs,
    )


class TestWhatCannotBeTold:
    def test_too_few_samples(self, path: Path, manifest: Manifest) -> None:
        with pytest.raises(InputError, match="cannot tell: 49 samples were counted, and fewer"):
            judge(manifest, counted(path, pictures(LEAST - 1)))
        judge(manifest, counted(path, pictures(LEAST)))

    def test_a_bundle_without_a_profile(self, manifest: Manifest) -> None:
        bare = manifest._replace(
            inputs=(manifest.inputs[0]._replace(profile=()),),
            outputs=(manifest.outputs[0]._replace(profile=()),),
        )
        with pytest.raises(BundleError, match="shapes v1 has no profile.*export it again"):
            judge(bare, counts_of(((),), ((),), 100))

    def test_a_profile_of_too_few_samples(self, tmp_path: Path) -> None:
        path = profiled(bundles.image(), CALIBRATION[:20]).write(tmp_path / "few.strop")
        counts = counted(path, pictures(100))
        with pytest.raises(InputError, match="cannot tell: .*mean: 20 calibration samples"):
            judge(open_bundle(str(path)).manifest, counts)

    def test_an_output_whose_classes_are_not_counted_is_named(
        self, path: Path, manifest: Manifest
    ) -> None:
        (output,) = manifest.outputs
        without = manifest._replace(outputs=(output._replace(profile=output.profile[:1]),))
        counts = counted(path, pictures(100))
        fewer = counts._replace(outputs=(counts.outputs[0][:1],))
        (line,) = judge(without, fewer).unjudged
        assert line.startswith("output 'probabilities': how often each class")

    def test_an_input_without_figures_is_named(self, path: Path, manifest: Manifest) -> None:
        bare = manifest._replace(inputs=(manifest.inputs[0]._replace(profile=()),))
        counts = counted(path, pictures(100))._replace(inputs=((),))
        judgement = judge(bare, counts)
        assert judgement.unjudged == ("input 'image': it has no figures in the profile",)
        assert {one.figure for one in judgement.findings} == {"confidence", "class"}


class TestWords:
    @pytest.mark.parametrize(
        ("figure", "said"),
        [
            ("cell 0 0", "top, left"),
            ("cell 0 1", "top, second from left"),
            ("cell 1 2", "second from top, second from right"),
            ("cell 2 3", "second from bottom, right"),
            ("cell 3 3", "bottom, right"),
            ("mean", ""),
            ("cell 9 9", ""),
            ("cell 1 2 3", ""),
        ],
    )
    def test_the_place_of_a_cell(self, figure: str, said: str) -> None:
        assert place(figure, 4, 4) == said

    def test_the_class_whose_share_changed_most(self) -> None:
        spec = OutputSpec(
            "kind", (None, 3), "float32", None, ("ok", "torn", "w\x1bet"), "class", True, None
        )
        one = _of(spec, "class", (50, 40, 10), (50, 0, 50))
        assert in_words(one, named=False) == (r"the answer 'torn' is 0 % of all instead of 40 %")
        two = one._replace(seen=(40, 10, 50))
        assert in_words(two, named=False) == r"the answer 'w\x1bet' is 50 % of all instead of 10 %"

    def test_numbers_are_higher_or_lower_and_named_where_there_are_several(
        self, manifest: Manifest
    ) -> None:
        spec = manifest.inputs[0]._replace(picture=None)
        up = _of(spec, "mean", (50, 50), (10, 90))
        assert in_words(up, named=True) == "input image: the mean of a sample is higher"
        both = _of(spec, "part 3", (25, 50, 25), (50, 0, 50))
        assert in_words(both, named=False) == "part 3 is distributed otherwise"
        less = _of(manifest.outputs[0], "confidence", (20, 80), (80, 20))
        assert in_words(less, named=False) == "the confidence of answers is lower"


def _of(spec: Any, figure: str, expected: tuple[int, ...], seen: tuple[int, ...]) -> Finding:
    return Finding(spec, figure, DRIFTED, 1.0, 0.0, 1.0, 0.0, (), expected, seen)
