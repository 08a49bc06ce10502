"""Operators for people's own DAGs: publish a model's version to a branch, tag one, roll a branch back.

Each is done at all parties of the model or at none, and a retry of a task does not do it twice. For example, a DAG that
runs whenever the models of the weekly training are there:

    with DAG("publish", schedule=Asset.ref(name="credit.guest-9999.models")):
        ModelPublishOperator(task_id="publish", model="credit", branch="release", if_better="auc")
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from fate_federated.connection import DEFAULT_CONNECTION
from fate_federated.errors import AccessDenied, FateFederatedError, ModelNotFound
from fate_federated.party import Party
from fate_federated.registry.names import DEFAULT_BRANCH, branch_uri
from fate_federated.wire.model_records import Action, ModelOperation, ModelRequest, ModelVersion, OperationState

if TYPE_CHECKING:
    from airflow.sdk import Context

    from fate_federated.gateway.client import GatewayClient

WAIT_SECONDS = 300.0


def branch_asset(model: str, branch: str) -> Asset:
    """What a branch of a model is to Airflow, for the schedule of a DAG: the site's gateway updates it whenever the
    branch moves, whichever party moved it, with the version in the event's extra.
    """
    return Asset(name=f"{model}.{branch}", uri=branch_uri(model, branch), group="fate")


class _ModelOperator(BaseOperator):
    """What the three have in common: a gateway, a party that asks, and a change that is waited for.

    Args:
        party: of this site, that asks; None for its first one.
        wait_seconds: how long to wait for the other parties before the try fails. The change stays open then, and the
            next try waits for the same one.
    """

    ui_color = "#f1e8f7"

    def __init__(
        self,
        *,
        model: str,
        message: str = "",
        party: Party | None = None,
        wait_seconds: float = WAIT_SECONDS,
        gateway_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.message = message
        self.party = party
        self.wait_seconds = wait_seconds
        self.gateway_conn_id = gateway_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Do it; what a retry cannot mend fails the task at once."""
        from fate_federated.hooks import FateGatewayHook

        try:
            with FateGatewayHook(self.gateway_conn_id).client() as client:
                return self.change(client, context)
        except (AccessDenied, ModelNotFound) as error:
            raise AirflowFailException(str(error)) from error
        except FateFederatedError as error:
            raise AirflowException(str(error)) from error

    def change(self, client: GatewayClient, context: Context) -> dict[str, Any]:
        """What the operator does; returns what other tasks may want to know."""
        raise NotImplementedError

    def _ask(self, client: GatewayClient, context: Context, action: Action, **said: Any) -> ModelOperation:
        """Ask for a change and wait for it. The same task asks for the same change, unless that was given up."""
        by = self.party or client.site().parties[0]
        author = f"{self.dag_id}.{self.task_id}"
        request = ModelRequest(
            action, self.model, by, message=self.message, author=author, wait_seconds=self.wait_seconds, **said
        )  # fmt: skip
        ti = context["ti"]
        identity = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"
        for name in (identity, f"{identity}/{ti.try_number}"):
            request_id = hashlib.sha256(name.encode()).hexdigest()[:32]
            operation = client.models.change(replace(request, request_id=request_id))
            if operation.state is not OperationState.ABORTED:
                break
        if operation.state is OperationState.ABORTED:
            raise AirflowException(f"{action} of {self.model} is not made, nothing has changed: {operation.detail}")
        if operation.state is not OperationState.DONE:
            raise AirflowException(
                f"{action} of {self.model} is open: {operation.detail or operation.state}. "
                f"`fate model cancel {operation.change.change_id}` gives it up."
            )
        self.log.info("%s of %s is done at all parties", action, operation.change.name)
        return operation


class ModelPublishOperator(_ModelOperator):
    """Move a branch to a version, if that is better than what the branch has.

    A version that is not better skips what comes after. DAGs of every site whose schedule is the asset of the branch
    (:func:`branch_asset`) run.

    Args:
        ref: the version, or a branch or tag of the model. Empty for the newest of ``source``.
        source: the branch whose newest version is published.
        branch: where to.
        if_better: name of a metric of this site, such as ``auc``, or its whole path; empty to publish in any case. A
            branch without a version, or whose version has no such metric, takes any version.
        higher_is_better: False for losses.

    Returns:
        model_id, model_version, branch, commit.
    """

    template_fields: Sequence[str] = ("model", "ref", "source", "branch", "message")

    def __init__(
        self,
        *,
        branch: str,
        ref: str = "",
        source: str = DEFAULT_BRANCH,
        if_better: str = "",
        higher_is_better: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.source = source
        self.branch = branch
        self.if_better = if_better
        self.higher_is_better = higher_is_better

    def change(self, client: GatewayClient, context: Context) -> dict[str, Any]:
        version = client.models.version(self.ref or self.source, self.model)
        (model,) = client.models.list(self.model)
        now = model.head(self.branch)
        if now != version.version:
            self._must_be_better(client, version, now)
            self._ask(client, context, Action.BRANCH, ref=version.version, name=self.branch, expected=now)
        return {
            "model_id": version.model_id,
            "model_version": version.version,
            "branch": self.branch,
            "commit": version.commit,
        }

    def _must_be_better(self, client: GatewayClient, version: ModelVersion, now: str) -> None:
        if not self.if_better:
            return
        new = figure(version.metrics, self.if_better)
        if new is None:
            raise AirflowFailException(
                f"Version {version.version} has no metric {self.if_better} at this site. "
                f"It has {', '.join(path for path, _ in figures(version.metrics)) or 'none'}."
            )
        old = figure(client.models.version(now).metrics, self.if_better) if now else None
        if old is not None and not (new > old if self.higher_is_better else new < old):
            raise AirflowSkipException(
                f"{self.if_better} of version {version.version} is {new:.6g}, and of {self.branch}, which stays at "
                f"version {now}, {old:.6g}."
            )
        self.log.info("%s of version %s is %s, of %s %s", self.if_better, version.version, new, self.branch, old)


class ModelTagOperator(_ModelOperator):
    """Give a version a name that does not move.

    Args:
        tag: its name; templates such as ``week-{{ dag_run.run_after | ds_nodash }}`` are rendered. A run that an asset
            started has no logical date, and so no ``ds``.
        ref: the version, or a branch or tag of the model; empty for the model's newest version.
    """

    template_fields: Sequence[str] = ("model", "ref", "tag", "message")

    def __init__(self, *, tag: str, ref: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag
        self.ref = ref

    def change(self, client: GatewayClient, context: Context) -> dict[str, Any]:
        version = client.models.version(self.ref, self.model)
        self._ask(client, context, Action.TAG, ref=version.version, name=self.tag)
        return {"model_id": version.model_id, "model_version": version.version, "tag": self.tag}


class ModelRollbackOperator(_ModelOperator):
    """Add a version to a branch that is an older one again.

    Args:
        branch: which one.
        to: a version, branch or tag; empty for the branch's version before its newest.
    """

    template_fields: Sequence[str] = ("model", "branch", "to", "message")

    def __init__(self, *, branch: str, to: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.to = to

    def change(self, client: GatewayClient, context: Context) -> dict[str, Any]:
        operation = self._ask(client, context, Action.ROLLBACK, ref=self.to, branch=self.branch)
        made = operation.change.version
        if made is None:
            raise AirflowException("A rollback makes a version.")
        return {"model_id": operation.change.model_id, "model_version": made.version, "restored": made.source}


def figures(metrics: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    """The single figures of a version's metrics, by path."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from figures(value, f"{path}{name}/")
        elif isinstance(value, int | float):
            yield f"{path}{name}", float(value)


def figure(metrics: Mapping[str, Any], name: str) -> float | None:
    """One figure, by its path or its name; None where there is none.

    Of several of that name, those of validation data count more than those of training data.

    Raises:
        AirflowFailException: several are left.
    """
    found = dict(figures(metrics))
    if name in found:
        return found[name]
    named = {path: value for path, value in found.items() if path.rpartition("/")[2] == name}
    validated = {path: value for path, value in named.items() if "/validate/" in path}
    chosen = validated or named
    if len(chosen) > 1:
        raise AirflowFailException(f"{name} is the name of several metrics: {', '.join(chosen)}. Give a whole path.")
    return next(iter(chosen.values()), None)
