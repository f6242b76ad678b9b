"""Dealing groups to folds such that every fold holds about the same of everything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SINGLY = 10_000  # groups dealt one by one, which takes some ten microseconds each


def deal(shares: NDArray[np.float64], parts: int) -> NDArray[np.int64]:
    """Deal groups to parts, with even numbers of groups.

    The groups with the largest share of any label go first, one by one, each to the part that has least of what it
    brings. Of very many groups the rest weighs so little singly that it goes round in turn, alike ones together: each
    part gets the same number of every kind, but for one.

    Args:
        shares: float64 (G, C), each group's share of everything that is to be even.
        parts: Number of parts.

    Returns:
        The part of each group, from 0, int64 (G,).
    """
    order = np.argsort(-shares.max(1), kind="stable")
    part = np.empty(len(shares), np.int64)
    first, rest = order[:_SINGLY], order[_SINGLY:]
    part[first] = _deal_singly(shares[first], parts)
    if len(rest):
        alike = rest[np.lexsort(shares[rest].T)]
        emptiest = np.argsort(np.bincount(part[first], minlength=parts), kind="stable")
        part[alike] = emptiest[np.arange(len(alike)) % parts]
    return part


def _deal_singly(shares: NDArray[np.float64], parts: int) -> NDArray[np.int64]:
    part = np.empty(len(shares), np.int64)
    load = np.zeros((parts, shares.shape[1]))
    filled = np.zeros(parts, np.int64)
    least, spare = divmod(len(shares), parts)
    for group, share in enumerate(shares):
        room = filled < (least + 1 if spare else least)
        # The smaller the product, the less the sum of squared loads grows; a tie goes to the emptier part.
        cost = np.where(room, load @ share, np.inf)
        chosen = int(np.lexsort((filled, cost))[0])
        part[group] = chosen
        load[chosen] += share
        filled[chosen] += 1
        spare -= int(filled[chosen] > least)
    return part


def even_out(shares: NDArray[np.float64], part: NDArray[np.int64], parts: int) -> None:
    """Swap pairs of groups between parts, the best pair first, while the sum of squared loads falls; in place."""
    load = np.stack([shares[part == p].sum(0) for p in range(parts)])
    square = (shares**2).sum(1)
    gram = shares @ shares.T
    distance = square[:, None] + square[None] - 2 * gram
    for _ in range(100 * parts):
        # With d = shares[h] - shares[g]: the squares change by 2 d.(load[part g] - load[part h]) + 2 d.d
        own = shares @ load.T
        mine, other = own[:, part], own[np.arange(len(part)), part]
        change = 2 * ((mine.T - other[:, None]) - (other[None] - mine)) + 2 * distance
        change[part[:, None] == part[None]] = 0.0
        g, h = np.unravel_index(int(change.argmin()), change.shape)
        if change[g, h] > -1e-12:
            return
        step = shares[h] - shares[g]
        load[part[g]] += step
        load[part[h]] -= step
        part[g], part[h] = part[h], part[g]
