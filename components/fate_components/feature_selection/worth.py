"""What columns are worth, by what this component or another measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import fmean
from typing import TypeVar

import numpy as np
from google.protobuf.message import Message

from fate_components.data_statistics.model import measure
from fate_components.feature_selection.steps import IV_FILTERS, TREE_FILTERS, Floats, Step
from fate_components.hetero_pearson.model import Correlations, correlations_of
from fate_federated.errors import DataError, ModelError
from fate_federated.party import Party
from fate_federated.pb.model import boosting_tree_pb2, feature_binning_pb2, psi_pb2, statistics_pb2
from fate_federated.pb.model.not_run_pb2 import NotRun
from fate_federated.task.model import Model
from fate_federated.task.table import Table

M = TypeVar("M", bound=Message)

SAME = {"coefficient_of_variance": "coefficient_of_variation", "coefficient_of_variation": "coefficient_of_variance"}
"""A statistic with two names."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a model says of columns.

    Attributes:
        module: whose model.
        own: this party's columns, by name.
        hosts: of the guest's model, by host and by the column's place in the header that the host's model has.
        otherwise: the value of a host's column that ``hosts`` does not name; None where that is a mistake.
    """

    module: str
    own: Mapping[str, float]
    hosts: Mapping[Party, Mapping[int, float]] = field(default_factory=dict)
    otherwise: float | None = None

    def of_own(self, names: Sequence[str]) -> Floats:
        """The values of these columns, shape (columns,).

        Raises:
            DataError: the model does not know one.
        """
        unknown = [name for name in names if name not in self.own]
        if unknown:
            raise DataError(f"{self.module} did not measure {', '.join(unknown)}. Select only columns that it did.")
        return np.array([self.own[name] for name in names], dtype=np.float64)

    def of_host(self, host: Party, places: Sequence[int]) -> Floats:
        """The values of a host's columns, shape (columns,).

        Raises:
            DataError: the model does not know one.
        """
        known = self.hosts.get(host, {})
        if self.otherwise is None and not known and places:
            raise DataError(
                f"{self.module} did not measure the columns of {host} for the guest. Let it, or choose among the "
                "guest's columns alone: local_only, or select_federated false."
            )
        values = [known.get(place, self.otherwise) for place in places]
        if None in values:
            unknown = [str(place) for place, value in zip(places, values, strict=True) if value is None]
            raise DataError(
                f"{self.module} did not measure the columns {', '.join(unknown)} of {host}. "
                "Let that host select only columns that it did."
            )
        return np.array(values, dtype=np.float64)


class Isometric:
    """The models of other components that a selection goes by."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models

    def _find(self, step: Step, module: str) -> Model:
        """The model of a module.

        Raises:
            ModelError: there is none, or several.
        """
        found = {name: model for name, model in self._models.items() if model.module == module}
        if not found:
            raise ModelError(f"{step.filter} goes by a model of {module}, which isometric_model does not name.")
        if len(found) > 1:
            raise ModelError(f"{step.filter} goes by one model of {module}; isometric_model has {', '.join(found)}.")
        return next(iter(found.values()))

    def worth(self, step: Step) -> Worth:
        """What a step goes by that another component measured."""
        if step.filter in IV_FILTERS:
            return self.information(step)
        if step.filter in TREE_FILTERS:
            return self._importance(step)
        if step.filter == "statistic_filter":
            return self._statistic(step)
        if step.filter == "psi_filter":
            scores = self._param(step, "PSI", psi_pb2.PSIParam).total_score
            return Worth("PSI", dict(scores))
        correlations = self.correlations(step)
        if correlations.vif is None:
            raise ModelError("vif_filter goes by calc_local_vif, which HeteroPearson was told not to do.")
        return Worth("HeteroPearson", dict(zip(correlations.names, correlations.vif.tolist(), strict=True)))

    def information(self, step: Step) -> Worth:
        """Information values; of several classes merged as the step says."""
        param = self._binning(step)
        several = param.multi_class_result
        own = list(several.results) or [param.binning_result]
        of_hosts: dict[Party, list[feature_binning_pb2.FeatureBinningResult]] = {}
        for result in several.host_results or param.host_results:
            of_hosts.setdefault(Party.parse(f"{result.role}-{result.party_id}"), []).append(result)
        return Worth(
            "HeteroFeatureBinning",
            _information_values(own, step.merge),
            {
                host: {
                    int(name.rpartition("_")[2]): value
                    for name, value in _information_values(results, step.merge).items()
                }
                for host, results in of_hosts.items()
            },
        )

    def correlations(self, step: Step) -> Correlations:
        """Of HeteroPearson."""
        return correlations_of(self._ran(step, "HeteroPearson"))

    def places(self, step: Step, names: Sequence[str]) -> dict[str, list[int]]:
        """A host's columns as the guest's models call them: by each model, their places in its header.

        Raises:
            DataError: a model does not know a column.
        """
        headers: dict[str, Sequence[str]] = {}
        if step.filter in TREE_FILTERS:
            mapping = self._trees(step).feature_name_fid_mapping
            headers[TREE_FILTERS[step.filter]] = [mapping[place] for place in sorted(mapping)]
        else:
            headers["HeteroFeatureBinning"] = self._binning(step).header
        if step.filter == "correlation_filter":
            headers["HeteroPearson"] = self.correlations(step).names
        found = {}
        for module, header in headers.items():
            at = {name: place for place, name in enumerate(header)}
            unknown = [name for name in names if name not in at]
            if unknown:
                raise DataError(f"{module} did not see {', '.join(unknown)}. Select only columns that it did.")
            found[module] = [at[name] for name in names]
        return found

    def _importance(self, step: Step) -> Worth:
        param = self._trees(step)
        module = TREE_FILTERS[step.filter]
        own = dict.fromkeys(param.feature_name_fid_mapping.values(), 0.0)
        hosts: dict[Party, dict[int, float]] = {}
        for info in param.feature_importances:
            role, _, party_id = info.sitename.partition(":")
            if role == "host" and step.filter != "homo_sbt_filter":
                hosts.setdefault(Party.parse(f"host-{party_id}"), {})[info.fid] = info.importance
            else:
                own[param.feature_name_fid_mapping[info.fid]] = info.importance
        return Worth(module, own, hosts, otherwise=0.0)

    def _statistic(self, step: Step) -> Worth:
        param = self._param(step, "DataStatistics", statistics_pb2.StatisticParam)
        found = {one.value_name: one for one in param.self_values.results}
        metric = step.metric if step.metric in found else SAME.get(step.metric, "")
        if metric not in found:
            raise ModelError(
                f"statistic_filter goes by {step.metric}, which DataStatistics did not measure; "
                f"it did {', '.join(found)}."
            )
        return Worth("DataStatistics", dict(zip(found[metric].col_names, found[metric].values, strict=True)))

    def _ran(self, step: Step, module: str) -> Model:
        model = self._find(step, module)
        if isinstance(model.meta, NotRun):
            raise ModelError(f"{step.filter} goes by a model of {module}, which did not run: need_run is false.")
        return model

    def _param(self, step: Step, module: str, kind: type[M]) -> M:
        param = self._ran(step, module).param
        if not isinstance(param, kind):
            raise ModelError(f"{step.filter} cannot read the model of {module}: it holds {type(param).__name__}.")
        return param

    def _binning(self, step: Step) -> feature_binning_pb2.FeatureBinningParam:
        return self._param(step, "HeteroFeatureBinning", feature_binning_pb2.FeatureBinningParam)

    def _trees(self, step: Step) -> boosting_tree_pb2.BoostingTreeModelParam:
        return self._param(step, TREE_FILTERS[step.filter], boosting_tree_pb2.BoostingTreeModelParam)


def _information_values(results: Sequence[feature_binning_pb2.FeatureBinningResult], merge: str) -> dict[str, float]:
    """By column, of one result for each class. Columns of which only the bins are known have none."""
    merging: dict[str, Callable[[Sequence[float]], float]] = {"average": fmean, "max": max, "min": min}
    return {
        name: merging[merge]([result.binning_result[name].iv for result in results])
        for name, column in results[0].binning_result.items()
        if column.iv_array
    }


def measured(step: Step, table: Table, names: Sequence[str]) -> Floats:
    """What a step looks at in the rows themselves, shape (columns,); NaN for a column without any value.

    Missing values count only for the share of the most frequent value, as one value of their own.
    """
    values = table.numbers(names)
    match step.filter:
        case "unique_value":
            found = measure(values, ("min", "max"), bias=True)
            return found["max"] - found["min"]
        case "coefficient_of_variation_value_thres":
            return measure(values, (step.metric,), bias=True)[step.metric]
        case "outlier_cols":
            return np.array([_quantile(column, float(Decimal(step.metric[:-1]) / 100)) for column in values.T])
    return np.array([_largest_share(column) for column in values.T])


def _quantile(column: Floats, share: float) -> float:
    there = column[~np.isnan(column)]
    return float(np.quantile(there, share)) if there.size else float("nan")


def _largest_share(column: Floats) -> float:
    if not column.size:
        return float("nan")
    return float(np.unique(column, return_counts=True)[1].max() / column.size)
