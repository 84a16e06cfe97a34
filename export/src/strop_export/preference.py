"""The order of preference in a bundle: of its engines, and of its variants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from strop_export.bundles import Proven
from strop_export.formats.plan import CONVOLUTIONS, operators_of
from strop_export.targets import Target


def in_order(target: Target, proven: Iterable[Proven]) -> tuple[list[str], list[Proven]]:
    """Order the engines and variants of a bundle, best first.

    Both stand as the target lists them. If it lists its engines in another order for plans with
    convolutions, and a plan has some, the variants follow their engines.

    Args:
        target: the target.
        proven: its variants that passed, in the target's order.

    Returns:
        The engines that any of them is proven on, and the variants.
    """
    variants = list(proven)
    order = target.preferred(convolutional=any(map(_is_convolutional, variants)))
    if order != target.engines:
        variants = _by_engine(variants, order)
    used = {proof.engine for variant in variants for proof in variant.proofs}
    return [name for name in order if name in used], _smaller_first(variants)


def _is_convolutional(variant: Proven) -> bool:
    """Tell whether a variant is a plan with convolutions."""
    is_plan = variant.spec.format == "plan"
    return is_plan and not CONVOLUTIONS.isdisjoint(operators_of(variant.converted.data))


def _by_engine(variants: Sequence[Proven], order: Sequence[str]) -> list[Proven]:
    """Order variants by the first of the engines that run them; those of one engine stay so."""
    return sorted(variants, key=lambda v: min(order.index(proof.engine) for proof in v.proofs))


def _smaller_first(variants: Sequence[Proven]) -> list[Proven]:
    """Move each file that is larger than the float32 file of its format to the end.

    An int8 file writes recurrent layers step by step, so it may have no advantage in size.
    """
    floats = {v.spec.format: v for v in variants if v.spec.precision == "float32"}

    def is_large(variant: Proven) -> bool:
        whole = floats.get(variant.spec.format)
        return whole is not None and len(variant.converted.data) > len(whole.converted.data)

    return sorted(variants, key=is_large)
