"""The paired swap test of two systems, and Holm's correction for several tests.

Were the systems interchangeable, a group's two sets of sums could as well have come the other way round. The share of
swaps whose absolute difference is at least the observed one is p. All swaps are enumerated when they are few (p is then
at least 2 / 2^groups); else p = (1 + hits) / (1 + resamples).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

EXACT_SWAPS = 2**14  # up to this many ways to swap the groups, all are enumerated
CHUNK = 4_000_000  # random numbers drawn at once: 32 MB
BLOCK = 2**17  # numbers that an array of the swap test holds: 1 MB, so that the next step finds them in the cache
_TIE = 1e-9  # sums in another order must not miss a tie with the observed difference


@dataclass(frozen=True)
class SwapTest:
    """Two-sided p-values of the paired swap test.

    Attributes:
        macro: p of the macro difference; NaN if no label is present in both systems.
        labels: p of each label's difference; NaN for absent labels.
        draws: Number of swaps compared.
        exact: Whether every possible swap was enumerated.
    """

    macro: float
    labels: tuple[float, ...]
    draws: int
    exact: bool


def paired_swap_test(
    system: Array,
    reference: Array,
    observed: Array,
    difference: Callable[[Array, Array], Array],
    resamples: int = 9999,
    seed: int = 0,
) -> SwapTest:
    """Test whether two systems differ, by swapping their sums group by group.

    Args:
        system: ``(seeds, groups, ...)``; a group is swapped in all seeds at once.
        reference: The same shape, groups in the same order.
        observed: ``(differences,)``, of the labels and last of their mean; one that is NaN has no p.
        difference: Of both systems' totals, ``(swaps, seeds, ...)`` each, gives ``(swaps, differences)``. Swaps, the
            first axis, vary fastest in memory.
        resamples: Number of random swaps where there are too many to enumerate.
        seed: Of the random swaps.

    Raises:
        ValueError: If ``resamples`` is not positive.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be positive, got {resamples}")
    groups = system.shape[1]
    moved = np.moveaxis(reference - system, 1, -1).reshape(-1, groups)
    totals = system.sum(1), reference.sum(1)
    exact = 2**groups <= EXACT_SWAPS
    draws = 2 ** (groups - 1) if exact else resamples
    random = None if exact else _random_swaps(resamples, groups, seed)
    bar = np.abs(observed) - _TIE
    hits = np.zeros(len(bar))
    step = max(1, BLOCK // max(2 * len(moved), groups))
    for start in range(0, draws, step):
        end = min(start + step, draws)
        if random is None:  # the last group stays: to swap all groups only turns the sign
            swaps = (np.arange(start, end) >> np.arange(groups)[:, None] & 1).astype(np.float64)
        else:
            swaps = random[start:end].T.astype(np.float64)
        shift = np.moveaxis((moved @ swaps).reshape(*totals[0].shape, end - start), -1, 0)
        hits += (np.abs(difference(totals[0] + shift, totals[1] - shift)) >= bar).sum(0)
    p = hits / draws if exact else (1 + hits) / (1 + draws)
    p[np.isnan(bar)] = np.nan
    return SwapTest(float(p[-1]), tuple(map(float, p[:-1])), draws, exact)


@lru_cache(maxsize=2)
def _random_swaps(number: int, groups: int, seed: int) -> NDArray[np.int8]:
    """Draw random swaps; the rows of a report share them."""
    generator = np.random.default_rng(seed)
    swaps = np.empty((number, groups), np.int8)
    step = max(1, CHUNK // groups)  # as int64 all of them would take eight times the memory
    for start in range(0, number, step):
        swaps[start : start + step] = generator.integers(0, 2, swaps[start : start + step].shape)
    return swaps


def holm(p: ArrayLike) -> Array:
    """Adjust p-values for several tests after Holm (1979); NaN is no test and stays NaN.

    Args:
        p: Any shape; the whole array is one family.

    Returns:
        Adjusted p-values in [0, 1], in the same shape.
    """
    values = np.asarray(p, np.float64)
    flat = values.ravel()
    tests = np.flatnonzero(~np.isnan(flat))
    order = tests[np.argsort(flat[tests], kind="stable")]
    adjusted = np.full(flat.shape, np.nan)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(flat[order] * factors), 1)
    return adjusted.reshape(values.shape)
