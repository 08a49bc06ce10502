"""What was learnt, as protobuf messages."""

from __future__ import annotations

from fate_components.data_transform.fit import Learnt
from fate_components.data_transform.spec import DataIoParams
from fate_federated.pb.model import data_transform_pb2 as pb
from fate_federated.task.model import Model


def model_of(module: str, params: DataIoParams, learnt: Learnt, id_column: str, label: str | None) -> Model:
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
    )
    param = pb.DataTransformParam(
        header=[column.name for column in plan.columns],
        sid_name=id_column,
        label_name=label or "",
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
