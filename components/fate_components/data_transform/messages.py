"""What was learnt, as protobuf messages."""

from __future__ import annotations

from dataclasses import dataclass

from fate_components.data_transform.fit import Learnt, missing_words
from fate_components.data_transform.lines import NAN, LineFormat
from fate_components.data_transform.model import Plan, parts_of, plan_of
from fate_components.data_transform.raw import DENSE, Layout, RawRows
from fate_components.data_transform.spec import DataIoParams, DataTransformParams
from fate_federated.pb.model import data_transform_pb2 as pb
from fate_federated.task.model import Model


@dataclass(frozen=True, slots=True)
class TrainedTransform:
    """What a model says of the rows to come."""

    plan: Plan
    layout: Layout
    label_type: str


def layout_of(params: DataIoParams) -> Layout:
    """How the rows to learn from are written, as the parameters say."""
    match_id: str | int | None = None
    if isinstance(params, DataTransformParams) and params.with_match_id:
        match_id = params.match_id_name or params.match_id_index
    lines = _lines(params, missing_words(params.missing_impute), params.missing_fill)
    return Layout(lines, params.label_name if params.with_label else None, match_id)


def trained_transform(model: Model, module: str) -> TrainedTransform:
    """What a model learnt.

    Raises:
        ModelError: it is a model of something else.
    """
    meta, param = parts_of(model, module)
    plan = plan_of(meta, param)
    layout = Layout(
        _lines(meta, plan.missing, meta.imputer_meta.is_imputer),
        (param.label_name or meta.label_name) if meta.with_label else None,
        meta.match_id_name if meta.with_match_id else None,
    )
    return TrainedTransform(plan, layout, meta.label_type)


def _lines(said: DataIoParams | pb.DataTransformMeta, missing: tuple[str, ...], fill: bool) -> LineFormat | None:
    if said.input_format == DENSE:
        return None
    tag = said.input_format == "tag"
    return LineFormat(
        indexed=not tag,
        with_value=said.tag_with_value,
        delimitor=said.delimitor,
        value_delimitor=said.tag_value_delimitor,
        with_label=said.with_label,
        missing=missing,
        absent=NAN if tag and said.tag_with_value and fill else 0.0,
    )


def model_of(module: str, params: DataIoParams, learnt: Learnt, id_column: str, raw: RawRows) -> Model:
    """The model of what was learnt."""
    plan = learnt.plan
    meta = pb.DataTransformMeta(
        input_format=params.input_format,
        delimitor=params.delimitor,
        data_type=params.data_type,
        tag_with_value=params.tag_with_value,
        tag_value_delimitor=params.tag_value_delimitor,
        with_label=params.with_label,
        label_name=params.label_name,
        label_type=params.label_type,
        output_format=params.output_format,
        imputer_meta=pb.DataTransformImputerMeta(
            is_imputer=params.missing_fill,
            strategy=params.missing_fill_method or "designated",
            missing_value=plan.missing,
        ),
        outlier_meta=pb.DataTransformOutlierMeta(
            is_outlier=params.outlier_replace,
            strategy=params.outlier_replace_method or "designated",
            outlier_value=plan.outliers,
        ),
        need_run=params.need_run,
        exclusive_data_type={
            column.name: column.data_type for column in plan.columns if column.data_type != params.data_type
        },
        with_match_id=isinstance(params, DataTransformParams) and params.with_match_id,
        match_id_name=raw.match_id_name or "",
    )
    param = pb.DataTransformParam(
        header=[column.name for column in plan.columns],
        sid_name=id_column,
        label_name=raw.label_name or "",
        imputer_param=pb.DataTransformImputerParam(
            missing_replace_value={column.name: column.fill for column in plan.columns if column.fill is not None},
            missing_value_ratio=learnt.missing_ratio,
        ),
        outlier_param=pb.DataTransformOutlierParam(
            outlier_replace_value={
                column.name: column.replacement for column in plan.columns if column.replacement is not None
            },
            outlier_value_ratio=learnt.outlier_ratio,
        ),
    )
    return Model(module, meta, param)
