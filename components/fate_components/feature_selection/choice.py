"""How a step chooses among the columns that those before it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fate_components.columns import anonymous_name
from fate_components.feature_selection.steps import IV_FILTERS, Bits, Floats, Rule, Step
from fate_components.feature_selection.worth import Isometric
from fate_components.hetero_pearson.model import Correlations, party_text
from fate_federated.errors import MessageRejected, ModelError
from fate_federated.party import Party


@dataclass(frozen=True, slots=True)
class Seen:
    """Some party's columns in a step; arrays have shape (columns,).

    Attributes:
        names: a host's at the guest are anonymous.
        values: by which the step went, NaN without one.
        kept: whether each stays.
    """

    names: tuple[str, ...]
    values: Floats
    kept: Bits

    @property
    def left(self) -> tuple[str, ...]:
        return tuple(name for name, kept in zip(self.names, self.kept.tolist(), strict=True) if kept)


@dataclass(frozen=True, slots=True)
class Offered:
    """A host's columns among which the guest chooses.

    Attributes:
        places: of each column in the header of the host's model, by the module that made it; at least one.
    """

    host: Party
    places: Mapping[str, list[int]]

    @classmethod
    def from_wire(cls, host: Party, value: object) -> Offered:
        """Parse one.

        Raises:
            MessageRejected: it is something else.
        """
        if not isinstance(value, dict) or not value:
            raise MessageRejected(f"{host} did not send the places of its columns.")
        for places in value.values():
            if (
                not isinstance(places, np.ndarray)
                or places.dtype != np.int64
                or places.ndim != 1
                or places.min(initial=0) < 0
                or len(np.unique(places)) != len(places)
            ):
                raise MessageRejected(f"{host} sent something else than the places of its columns.")
        if len({len(places) for places in value.values()}) != 1:
            raise MessageRejected(f"{host} sent places of different columns.")
        return cls(host, {module: places.tolist() for module, places in value.items()})

    def at(self, module: str) -> list[int]:
        """The places in the header of this module's model.

        Raises:
            MessageRejected: the host sent none.
        """
        if module not in self.places:
            raise MessageRejected(f"{self.host} did not send the places of its columns in the model of {module}.")
        return self.places[module]

    @property
    def names(self) -> tuple[str, ...]:
        first = next(iter(self.places.values()))
        return tuple(anonymous_name(self.host, place) for place in first)


def keep(step: Step, names: Sequence[str], values: Floats) -> Seen:
    """A party's columns by its own values."""
    return Seen(tuple(names), values, step.rule.keeps_some(step.rule.keeps(values), values))


def choose(step: Step, models: Isometric, names: Sequence[str], offered: Sequence[Offered]) -> list[Seen]:
    """The guest's choice among its own columns and those that hosts offer.

    top_k and top_percentile of information values are of all parties' columns together, those of the importance in
    trees of each party's. Every party keeps its best column at least.

    Returns:
        the guest's, then each host's.
    """
    rules = [step.rule, *step.host_rules(len(offered))] if offered else [step.rule]
    worth = models.worth(step)
    values = [worth.of_own(names), *(worth.of_host(one.host, one.at(worth.module)) for one in offered)]
    if step.filter in IV_FILTERS and step.rule.filter_type != "threshold":
        kept = _split(step.rule.keeps(np.concatenate(values)), values)
    else:
        kept = [rule.keeps(part) for rule, part in zip(rules, values, strict=True)]
    everybody = [tuple(names), *(one.names for one in offered)]
    return [
        Seen(of_party, part, step.rule.keeps_some(bits, part))
        for of_party, part, bits in zip(everybody, values, kept, strict=True)
    ]


def choose_apart(step: Step, models: Isometric, names: Sequence[str], offered: Sequence[Offered]) -> list[Seen]:
    """The guest's choice of columns that do not go together.

    From the highest information value to the lowest, each column that is still there takes away those whose correlation
    with it is above the threshold in magnitude. Two columns of hosts are not compared.

    Returns:
        the guest's, then each host's; values are the correlations by which columns were taken away, 0 of the others.
    """
    worth, correlations = models.information(step), models.correlations(step)
    values = [worth.of_own(names), *(worth.of_host(one.host, one.at(worth.module)) for one in offered)]
    together = _correlation(correlations, names, offered)
    best = Rule("top_k", 1, True)
    ranked = best.ranked(np.concatenate(values))
    by = np.zeros(len(ranked))
    kept = np.ones(len(ranked), np.bool_)
    for column in ranked.tolist():
        if kept[column]:
            taken = kept & (np.abs(together[column]) > step.rule.threshold)
            by[taken] = together[column][taken]
            kept &= ~taken
    everybody = [tuple(names), *(one.names for one in offered)]
    return [
        Seen(of_party, part, best.keeps_some(bits, part_values))
        for of_party, part, bits, part_values in zip(
            everybody, _split(by, values), _split(kept, values), values, strict=True
        )
    ]


def _correlation(correlations: Correlations, names: Sequence[str], offered: Sequence[Offered]) -> Floats:
    """Of the guest's columns and the offered ones with each other; 0 where it is not known, and of each with itself."""
    at = {name: place for place, name in enumerate(correlations.names)}
    unknown = [name for name in names if name not in at]
    if unknown:
        raise ModelError(f"HeteroPearson has no correlations of {', '.join(unknown)}. Select only columns that it has.")
    rows = [at[name] for name in names]
    blocks = [correlations.local[np.ix_(rows, rows)]]
    for one in offered:
        cross = correlations.cross.get(party_text(one.host))
        places = one.at("HeteroPearson")
        if cross is None or max(places, default=-1) >= cross.shape[1]:
            raise ModelError(
                f"HeteroPearson has no correlations with the columns of {one.host}: let it have cross_parties, or "
                "choose among the guest's columns alone with select_federated false."
            )
        blocks.append(cross[np.ix_(rows, places)])
    wide = np.concatenate(blocks, axis=1)
    whole = np.zeros((wide.shape[1], wide.shape[1]))
    whole[: len(rows)], whole[:, : len(rows)] = wide, wide.T
    np.fill_diagonal(whole, 0)
    return np.nan_to_num(whole)


def _split(together: np.ndarray, parts: Sequence[Floats]) -> list[np.ndarray]:
    return np.split(together, np.cumsum([len(part) for part in parts])[:-1])
