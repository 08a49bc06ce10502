"""FATE's upload configuration, versions 1.0 to 1.11."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from fate_federated.errors import ConfigError
from fate_federated.site.csv_source import ColumnKind, CsvFormat

_KINDS = {
    "str": ColumnKind.TEXT, "string": ColumnKind.TEXT,
    "int": ColumnKind.INTEGER, "int64": ColumnKind.INTEGER, "long": ColumnKind.INTEGER,
    "float": ColumnKind.FLOAT, "float64": ColumnKind.FLOAT, "double": ColumnKind.FLOAT,
}  # fmt: skip
_DENSE = "dense"


class _UploadMeta(BaseModel):
    """How the rows are written. What only FATE's DataTransform reads is taken and has no effect here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delimiter: str | None = None
    input_format: str = _DENSE
    data_type: str | None = None
    exclusive_data_type: dict[str, str] | None = None
    tag_with_value: bool = False
    tag_value_delimiter: str = ":"
    with_match_id: bool = False
    id_list: list[str] | None = None
    id_range: int = 0
    with_label: bool = False
    label_name: str = "y"
    label_type: str = "int"


class _UploadConf(BaseModel):
    """The fields of all versions. Those of FATE's own storage and servers have no effect here."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    file: str = Field(min_length=1)
    namespace: str = Field(min_length=1, max_length=128)
    name: str = Field(min_length=1, max_length=128, validation_alias=AliasChoices("table_name", "name"))
    head: bool = True
    id_delimiter: str | None = None
    drop: int = 0
    meta: _UploadMeta = _UploadMeta()
    extend_sid: bool = False
    auto_increasing_sid: bool = False
    partition: int | None = None
    work_mode: int | None = None
    backend: int | None = None
    in_version: bool | int | None = None
    use_local_data: int | None = None
    storage_engine: str | None = None
    storage_address: dict[str, Any] | None = None
    destroy: bool | None = None
    block_size: int | None = None
    schema_: dict[str, Any] | None = Field(None, validation_alias="schema")
    with_meta: bool | None = None


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """A file to become a table.

    Attributes:
        replace: an existing table of that name goes.
    """

    file: Path
    namespace: str
    name: str
    form: CsvFormat = field(default_factory=CsvFormat)
    replace: bool = False


def read_upload_conf(path: Path) -> UploadPlan:
    """Read one of FATE's upload configurations. Its file is sought beside it, then in the current folder.

    FATE of 1.4 refused with ``drop: 2`` and 1.7 replaced with it; here, as there, any ``drop`` above 0 replaces.

    Raises:
        ConfigError: it cannot be read, has a field that no version has, or asks for what this project does not do.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        conf = _UploadConf.model_validate(content)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        problems = (f"{path} /{'/'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise ConfigError("\n".join(problems)) from None
    if conf.extend_sid or conf.auto_increasing_sid:
        raise ConfigError(
            f"{path} asks for generated ids (extend_sid, auto_increasing_sid). "
            "Ids of one's own making match nobody else's: add a column of them to the file if you need one."
        )
    return UploadPlan(_find(path, conf.file), conf.namespace, conf.name, _form(path, conf), conf.drop > 0)


def _find(path: Path, file: str) -> Path:
    for folder in (path.parent, Path()):
        if (folder / file).is_file():
            return folder / file
    raise ConfigError(f"{path} names the file {file!r}, which is neither in {path.parent} nor in {Path().resolve()}.")


def _form(path: Path, conf: _UploadConf) -> CsvFormat:
    meta = conf.meta
    delimiter = conf.id_delimiter or (meta.delimiter if meta.input_format == _DENSE else None) or ","
    if len(delimiter) != 1:
        raise ConfigError(f"{path} has the delimiter {delimiter!r}; it must be one character.")
    kinds = {name: _kind(path, kind) for name, kind in (meta.exclusive_data_type or {}).items()}
    if meta.input_format != _DENSE:
        # Tags and svmlight pairs are text until DataTransform takes them apart.
        return CsvFormat(head=conf.head, delimiter=delimiter, lines=True)
    if meta.with_match_id:
        # An id keeps its leading zeros.
        kinds |= dict.fromkeys(meta.id_list or (), ColumnKind.TEXT)
    # FATE's own default, float64, is given in many files whose columns are whole numbers: keep those whole.
    kind = _kind(path, meta.data_type) if meta.data_type else ColumnKind.NUMBER
    kind = ColumnKind.NUMBER if kind is ColumnKind.FLOAT else kind
    return CsvFormat(head=conf.head, delimiter=delimiter, kind=kind, kinds=kinds)


def _kind(path: Path, name: str) -> ColumnKind:
    kind = _KINDS.get(name.lower())
    if kind is None:
        raise ConfigError(f"{path} has the data type {name!r}. Known: {', '.join(_KINDS)}.")
    return kind
