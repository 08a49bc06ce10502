"""A party's part of a version, made into what answers requests."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fate_components.data_transform.model import ColumnPlan, Plan, parts_of, plan_of
from fate_federated.errors import FateFederatedError, ModelError
from fate_federated.party import Party, Role
from fate_federated.pb.model import not_run_pb2
from fate_federated.task.model import Model
from fate_serving.codes import Code, ServingError
from fate_serving.finishing import Finish, encoder_of, plain, relabelled, scorecard
from fate_serving.frame import Frame, Layout
from fate_serving.intake import Intake, Row
from fate_serving.parts import Component, ModelPart
from fate_serving.scoring import (
    Answers,
    GuestScorer,
    HostScorer,
    LinearGuest,
    LinearHost,
    Predicted,
    TreesGuest,
    TreesHost,
)
from fate_serving.steps import STEPS, UNTOUCHED, Step

VERTICAL_LINEAR = frozenset({"HeteroLR", "HeteroLinR", "HeteroPoisson", "HeteroSSHELR", "HeteroSSHELinR"})
VERTICAL_TREES = frozenset({"HeteroSecureBoost", "HeteroFastSecureBoost"})
LINEAR_ALONE = frozenset({"HomoLR", "LocalBaseline"})
TREES_ALONE = frozenset({"HomoSecureBoost", "HomoSecureboost"})
SCORING = VERTICAL_LINEAR | VERTICAL_TREES | LINEAR_ALONE | TREES_ALONE
INTAKE = frozenset({"DataIO", "DataTransform"})
AFTERWARDS = frozenset({"Scorecard", "LabelTransform"})
SERVABLE = SCORING | INTAKE | AFTERWARDS | UNTOUCHED | STEPS.keys()

SERVING_CLASSES = {
    "Scale": "FeatureScale",
    **{f"HeteroFeatureBinning{role}": "HeteroFeatureBinning" for role in ("Guest", "Host")},
    **{f"HeteroFeatureSelection{role}": "HeteroFeatureSelection" for role in ("Guest", "Host")},
    **{f"HeteroLR{role}": "HeteroLR" for role in ("Guest", "Host")},
    **{f"HeteroSecureBoostingTree{role}": "HeteroSecureBoost" for role in ("Guest", "Host")},
}
"""What FATE's models before 1.5 name in place of a module."""


@dataclass(frozen=True, slots=True)
class Chain:
    """From the rows of a request to the columns that a component scores."""

    intake: Intake
    steps: tuple[Step, ...]

    def frame(self, rows: Sequence[Row]) -> Frame:
        """The columns.

        Raises:
            ServingError: FEATURE, naming the column.
        """
        frame = self.intake.frame(rows)
        for step in self.steps:
            frame = step(frame)
        return frame


@dataclass(frozen=True, slots=True)
class HostComponent:
    """A host's part of one component's answer."""

    chain: Chain
    scorer: HostScorer

    def answer(self, rows: Sequence[Row]) -> Answers:
        """Of rows, shape (rows, width).

        Raises:
            ServingError: FEATURE, naming the column.
        """
        return self.scorer.answer(self.chain.frame(rows))


@dataclass(frozen=True, slots=True)
class GuestPipeline:
    """What answers applications.

    Attributes:
        component: whose answer it is.
        finish: adds to the data of rows what components after the model make of it.
    """

    component: str
    chain: Chain
    scorer: GuestScorer
    finish: tuple[Finish, ...]

    def data(self, predicted: Predicted) -> list[dict[str, Any]]:
        """What each row's answer says: ``score``, and of more than two classes ``label`` and a score for each."""
        if predicted.several:
            labels = map(plain, predicted.labels())
            found = [
                {"label": label, "score": chances}
                for label, chances in zip(labels, predicted.values.tolist(), strict=True)
            ]
        else:
            found = [{"score": score} for score in predicted.values[:, 0].tolist()]
        for step in self.finish:
            step(predicted, found)
        return found


@dataclass(frozen=True, slots=True)
class Compiled:
    """A part, ready to serve.

    Attributes:
        guest: None where this party only answers guests.
        host: by component; empty where this party does not answer guests.
    """

    part: ModelPart
    guest: GuestPipeline | None
    host: Mapping[str, HostComponent]

    def warm(self) -> None:
        """Score a row of zeros, so that the first request finds everything in place."""
        with contextlib.suppress(ServingError):  # the model does not take zeros, but everything was used once
            for component in self.host.values():
                component.answer([_zeros(component.chain)])
            if self.guest is not None:
                scorer, chain = self.guest.scorer, self.guest.chain
                answers = {host: scorer.empty(host, 1) for host in scorer.hosts}
                self.guest.data(scorer.predict(chain.frame([_zeros(chain)]), answers))


def _zeros(chain: Chain) -> Row:
    return {column.name: 0.0 if column.data_type != "str" else "" for column in chain.intake.plan.columns}


def compile_part(part: ModelPart) -> Compiled:
    """Make a part ready.

    Raises:
        ServingError: MODEL_INIT; the text names the component that cannot be served, and why.
    """
    maker = _Maker(part)
    unknown = [each for each in part.components if maker.module(each) not in SERVABLE]
    scoring = [each for each in part.components if maker.module(each) in SCORING]
    if unknown:
        named = ", ".join(f"{each.name} ({each.module})" for each in unknown)
        raise ServingError(
            Code.MODEL_INIT,
            f"{named} cannot be served. Deploy the model without it: `fate model deploy {part.version} --component …`.",
        )
    if not scoring:
        raise ServingError(Code.MODEL_INIT, "The model has no component that scores.")
    alone = part.party.role is Role.GUEST or maker.module(scoring[-1]) in LINEAR_ALONE | TREES_ALONE
    if alone:
        return Compiled(part, maker.guest(scoring[-1]), {})
    return Compiled(part, None, {component.name: maker.host(component) for component in scoring})


class _Maker:
    def __init__(self, part: ModelPart) -> None:
        self._part = part
        self._by_name = {component.name: component for component in part.components}

    def module(self, component: Component) -> str:
        return SERVING_CLASSES.get(component.module, component.module)

    def host(self, component: Component) -> HostComponent:
        with _Refusing(component):
            model, layout, chain = self._scored(component)
            trees = self.module(component) in VERTICAL_TREES
            return HostComponent(chain, TreesHost(model, layout) if trees else LinearHost(model, layout))

    def guest(self, component: Component) -> GuestPipeline:
        with _Refusing(component):
            model, layout, chain = self._scored(component)
            scorer = self._guest_scorer(component, model, layout)
            missing = [str(host) for host in scorer.hosts if host not in self._part.hosts]
            if missing:
                raise ModelError(f"it needs {', '.join(missing)}, which has no part in the model")
        return GuestPipeline(component.name, chain, scorer, tuple(self._finish(component)))

    def _guest_scorer(self, component: Component, model: Model, layout: Layout) -> GuestScorer:
        module = self.module(component)
        if module in VERTICAL_TREES | TREES_ALONE:
            said = self._part.parameters.get(component.name, {}).get("predict_param")
            threshold = said.get("threshold", 0.5) if isinstance(said, Mapping) else 0.5
            return TreesGuest(model, layout, float(threshold))
        hosts: tuple[Party, ...] = self._part.hosts if module in VERTICAL_LINEAR else ()
        return LinearGuest(model, layout, hosts)

    def _scored(self, component: Component) -> tuple[Model, Layout, Chain]:
        model = self._model(component)
        if model is None or isinstance(model.meta, not_run_pb2.NotRun):
            raise ModelError("it has no model")
        intake, layout, steps = self._columns(component)
        if intake is None:
            intake = _bare_intake(model)
            layout = intake.layout
        return model, layout, Chain(intake, tuple(steps))

    def _columns(self, component: Component) -> tuple[Intake | None, Layout, list[Step]]:
        """What comes to a component: no intake where these are rows as they are."""
        if not component.sources:
            return None, Layout(()), []
        if len(component.sources) > 1:
            raise ModelError(f"{component.name} takes several tables, which cannot be done online")
        name = component.sources[0].partition(".")[0]
        if name == "args" or name not in self._by_name:
            return None, Layout(()), []
        return self._out_of(self._by_name[name])

    def _out_of(self, component: Component) -> tuple[Intake | None, Layout, list[Step]]:
        with _Refusing(component):
            intake, layout, steps = self._columns(component)
            module = self.module(component)
            model = self._model(component)
            if module in UNTOUCHED or (model is not None and isinstance(model.meta, not_run_pb2.NotRun)):
                return intake, layout, steps
            if module in SCORING or module in AFTERWARDS:
                raise ModelError("its scores are the input of another model, which is not served")
            if model is None:
                raise ModelError("it has no model")
            if module in INTAKE:
                if intake is not None:
                    raise ModelError("its columns were transformed before")
                made = _intake(model, self.module(component))
                return made, made.layout, []
            if intake is None:
                intake = _bare_intake(model)
                layout = intake.layout
            layout, step = STEPS[module](model, layout)
            return intake, layout, [*steps, step]

    def _model(self, component: Component) -> Model | None:
        if component.model is None:
            return None
        name, alias = component.model
        found = self._part.models.get((name, alias))
        if found is None:
            found = next((model for (owner, _), model in self._part.models.items() if owner == name), None)
        return found

    def _finish(self, scoring: Component) -> list[Finish]:
        done: list[Finish] = []
        name = scoring.name
        for component in self._part.components:
            if not any(source.partition(".")[0] == name for source in component.sources):
                continue
            with _Refusing(component):
                if self.module(component) == "Scorecard":
                    done.append(scorecard(self._part.parameters.get(component.name, {})))
                    name = component.name
                elif self.module(component) == "LabelTransform":
                    model = self._model(component)
                    if model is None:
                        raise ModelError("it has no model")
                    encoder = encoder_of(model).reversed()
                    done.append(relabelled(encoder))
                    name = component.name
        return done


class _Refusing:
    """Errors of a part's components name these."""

    def __init__(self, component: Component) -> None:
        self._component = component

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ServingError) or error is None:
            return
        if isinstance(error, FateFederatedError | ValueError | KeyError | IndexError | TypeError):
            what = (
                str(error).rstrip(".") if isinstance(error, FateFederatedError) else f"{type(error).__name__}: {error}"
            )
            raise ServingError(
                Code.MODEL_INIT,
                f"{self._component.name} ({self._component.module}) cannot be served: {what}.",
            ) from error


def _intake(model: Model, module: str) -> Intake:
    meta, param = parts_of(model, module)
    plan = plan_of(meta, param)
    plan = Plan(
        tuple(ColumnPlan(c.name, c.data_type or "float64", c.fill, c.replacement) for c in plan.columns),
        plan.missing,
        plan.outliers,
    )
    if meta.input_format in ("", "dense"):
        return Intake(plan)
    if meta.input_format == "sparse":
        return Intake(plan, absent=0.0, prefix="x")
    absent = float("nan") if meta.tag_with_value and meta.imputer_meta.is_imputer else 0.0
    return Intake(plan, absent=absent)


def _bare_intake(model: Model) -> Intake:
    """Numbers, as the columns of a table that nothing transforms."""
    header = getattr(model.param, "header", None) or getattr(model.meta, "header", None)
    if not header:
        mapping = getattr(model.param, "feature_name_fid_mapping", None)
        header = [mapping[place] for place in sorted(mapping)] if mapping else ()
    if not header:
        raise ModelError("no component before it names the columns")
    return Intake(Plan(tuple(ColumnPlan(name, "float64") for name in header), (), ()))
