"""Merging neighbouring bins, so that few tell the classes apart well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fate_components.feature_binning.model import Floats, Integers

ADJUSTMENT = 0.5


@dataclass(frozen=True, slots=True)
class Rule:
    """How to merge.

    Attributes:
        metric: iv, gini or chi_square merge the two neighbours that lose least of it (ChiMerge, Kerber 1992, for
            chi_square); ks instead cuts where the distributions of the classes are furthest apart, again and again.
        bin_num: so many bins at most.
        min_bin_pct: each bin has at least this share of the rows.
        max_bin_pct: no bin is made that has more, unless bin_num or the other bounds demand it.
        mixture: each bin has events and other rows.
    """

    metric: str
    bin_num: int
    min_bin_pct: float
    max_bin_pct: float
    mixture: bool


def merge(events: Integers, others: Integers, rule: Rule) -> Integers:
    """Merge initial bins with so many events and other rows, shape (initial bins,).

    Returns:
        the last initial bin of each merged one, rising.
    """
    if rule.metric == "ks":
        return _cut(events, others, rule)
    return _join(events, others, rule)


def _join(events: Integers, others: Integers, rule: Rule) -> Integers:
    cost = {"iv": _iv_lost, "gini": _gini_gained, "chi_square": _chi_square}[rule.metric](events.sum(), others.sum())
    ends = np.arange(len(events))
    counts = np.stack([events, others]).astype(np.float64)
    rows = counts.sum()

    def join(pair: int) -> None:
        nonlocal ends, counts
        counts[:, pair] += counts[:, pair + 1]
        counts, ends = np.delete(counts, pair + 1, axis=1), np.delete(ends, pair)

    def price() -> Floats:
        """Of joining each bin with the next; too large ones only where there is no other."""
        left, right = counts[:, :-1], counts[:, 1:]
        sizes = (left + right).sum(axis=0)
        paid = cost(left, right)
        return np.where(sizes <= rule.max_bin_pct * rows, paid, 1e12 + sizes)

    while len(ends) > rule.bin_num:
        join(int(np.argmin(price())))
    while len(ends) > 1:
        sizes = counts.sum(axis=0)
        poor = sizes < rule.min_bin_pct * rows
        if rule.mixture:
            poor |= (counts == 0).any(axis=0)
        if not poor.any():
            break
        worst = int(np.argmin(np.where(poor, sizes, np.inf)))
        pairs = [pair for pair in (worst - 1, worst) if 0 <= pair < len(ends) - 1]
        prices = price()
        join(min(pairs, key=lambda pair: float(prices[pair])))
    return ends


Cost = Callable[[Floats, Floats], Floats]
"""Of neighbours (events and other rows, bins) and (.., bins), shape (bins,)."""


def _iv_lost(all_events: int, all_others: int) -> Cost:
    def iv(counts: Floats) -> Floats:
        counts = counts + np.where((counts == 0).any(axis=0), ADJUSTMENT, 0.0)
        event, other = counts[0] / all_events, counts[1] / all_others
        value: Floats = (event - other) * np.log(event / other)
        return value

    return lambda left, right: iv(left) + iv(right) - iv(left + right)


def _gini_gained(_events: int, _others: int) -> Cost:
    def impurity(counts: Floats) -> Floats:
        rows = counts.sum(axis=0)
        value: Floats = rows - (counts**2).sum(axis=0) / np.maximum(rows, 1)
        return value

    return lambda left, right: impurity(left + right) - impurity(left) - impurity(right)


def _chi_square(_events: int, _others: int) -> Cost:
    def statistic(left: Floats, right: Floats) -> Floats:
        together = left + right
        margins = together[0] * together[1] * left.sum(axis=0) * right.sum(axis=0)
        odds = (left[0] * right[1] - left[1] * right[0]) ** 2 * together.sum(axis=0)
        value: Floats = np.divide(odds, margins, out=np.zeros_like(odds), where=margins > 0)
        return value

    return statistic


def _cut(events: Integers, others: Integers, rule: Rule) -> Integers:
    sums = np.concatenate([[[0, 0]], np.cumsum(np.stack([events, others], axis=1), axis=0)]).astype(np.float64)
    rows = sums[-1].sum()
    borders = [0, len(events)]

    def best(low: int, high: int) -> tuple[float, int]:
        """Distance of the classes' distributions within low..high at its best cut, negative if there is none."""
        if high - low < 2:
            return -1.0, low
        cuts = np.arange(low + 1, high)
        left, right = sums[cuts] - sums[low], sums[high] - sums[cuts]
        enough = rule.min_bin_pct * rows
        allowed = (left.sum(axis=1) >= max(enough, 1)) & (right.sum(axis=1) >= max(enough, 1))
        if rule.mixture:
            allowed &= (left > 0).all(axis=1) & (right > 0).all(axis=1)
        shares = left / np.maximum(sums[high] - sums[low], 1)
        distance = np.where(allowed, np.abs(shares[:, 0] - shares[:, 1]), -1.0)
        place = int(np.argmax(distance))
        return float(distance[place]), int(cuts[place])

    while len(borders) - 1 < rule.bin_num:
        found = []
        for low, high in pairwise(borders):
            distance, cut = best(low, high)
            if distance >= 0:
                share = (sums[high] - sums[low]).sum() / rows
                found.append((share > rule.max_bin_pct, distance * share, cut))
        if not found:
            break
        borders = sorted([*borders, max(found)[2]])
    return np.array(borders[1:]) - 1
