"""The files of a version, put together in a folder before they are kept: one folder for each party of the site."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import predict_dsl
from fate_federated.errors import DslError, RegistryError
from fate_federated.party import Party
from fate_federated.pb.model.pipeline_pb2 import Pipeline
from fate_federated.registry.layout import (
    DEFINE,
    META,
    PARAM,
    PIPELINE,
    Buffer,
    buffer_name,
    buffer_path,
    define_text,
    parameters_path,
    parameters_text,
)
from fate_federated.wire.records import JobFiles

COPY_BYTES = 1 << 20

_SERVING_CLASSES = {
    "HeteroFastSecureBoost": "HeteroSecureBoostingTree{Role}",
    "HeteroFeatureBinning": "HeteroFeatureBinning{Role}",
    "HeteroFeatureSelection": "HeteroFeatureSelection{Role}",
    "HeteroLR": "HeteroLR{Role}",
    "HeteroSecureBoost": "HeteroSecureBoostingTree{Role}",
    "FeatureScale": "Scale",
}
"""What FATE-Serving calls the class that applies a module, where it is not the module's own name."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A component's model as its task left it in the site's storage.

    Attributes:
        location: fsspec URL of the JSON object that names its message types; the messages are beside it.
    """

    component: str
    alias: str
    location: str


def write_models(folder: Path, party: Party, models: Sequence[StoredModel]) -> list[Buffer]:
    """Copy the models of one party from the site's storage into its part.

    Args:
        folder: of the part.

    Raises:
        RegistryError: one of them cannot be read.
    """
    import fsspec

    buffers = []
    for model in models:
        try:
            with fsspec.open(model.location, "rb") as stream:
                names: dict[str, str] = json.loads(stream.read())
            for kind, beside in ((META, "meta"), (PARAM, "param")):
                buffer = Buffer(
                    model.component,
                    model.alias,
                    names["module"],
                    kind,
                    buffer_path(model.component, model.alias, buffer_name(names["module"], party, kind)),
                    names[beside].rpartition(".")[2],
                )
                target = folder / buffer.path
                target.parent.mkdir(parents=True, exist_ok=True)
                location = f"{model.location.removesuffix('.json')}.{beside}.pb"
                with fsspec.open(location, "rb") as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, COPY_BYTES)
                buffers.append(buffer)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RegistryError(
                f"The model {model.alias!r} of {model.component} at {party} cannot be read from {model.location}: "
                f"{type(error).__name__}: {error}."
            ) from error
    return buffers


def write_define(folder: Path, buffers: Sequence[Buffer]) -> None:
    _write(folder / DEFINE, define_text(buffers))


def write_parameters(folder: Path, parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """Write what each component ran with."""
    for component, values in parameters.items():
        _write(folder / parameters_path(component), parameters_text(values))


def write_pipeline(folder: Path, pipeline: Pipeline) -> None:
    _write(folder / PIPELINE, pipeline.SerializeToString(deterministic=True))


def pipeline_of(files: JobFiles, party: Party, deployed: Sequence[str] | None) -> Pipeline:
    """What a version says of its job, but for what tells one version from another.

    Args:
        deployed: the components that predict; None for those that FATE keeps unless somebody chooses.
    """
    return Pipeline(
        inference_dsl=inference_dsl(files, party, deployed),
        train_dsl=files.dsl.encode(),
        train_runtime_conf=files.conf.encode(),
        runtime_conf_on_party=json.dumps({"name": files.name, "overrides": files.overrides}).encode(),
        parent=deployed is None,
    )


def files_of(pipeline: Pipeline) -> JobFiles:
    """The job's files as a version's pipeline has them.

    Raises:
        RegistryError: it has none.
    """
    try:
        said = json.loads(pipeline.runtime_conf_on_party or b"{}")
        return JobFiles(
            name=str(said.get("name", "imported")),
            dsl=pipeline.train_dsl.decode(),
            conf=pipeline.train_runtime_conf.decode(),
            overrides=str(said.get("overrides", "")),
        )
    except (ValueError, AttributeError) as error:
        raise RegistryError(f"The pipeline of a version cannot be read: {error}.") from error


def inference_dsl(files: JobFiles, party: Party, deployed: Sequence[str] | None) -> bytes:
    """The dsl that predicts, with FATE's ``CodePath`` in each component; empty where none can be derived.

    Raises:
        DslError: ``deployed`` names a component that is not there.
    """
    dsl, conf = read_json(files.dsl, f"{files.name}_dsl.json"), read_json(files.conf, f"{files.name}_conf.json")
    try:
        derived = predict_dsl(dsl, conf, deployed=deployed)
    except DslError:
        if deployed is not None:
            raise
        return b""
    components = derived.get("components", {})
    for component in components.values():
        module = str(component.get("module", ""))
        component["CodePath"] = _SERVING_CLASSES.get(module, module).replace("{Role}", party.role.value.capitalize())
    return json.dumps(derived).encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
