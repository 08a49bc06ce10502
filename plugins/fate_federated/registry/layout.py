"""FATE's files of one party's part of a version, and their names.

::

    define/define_meta.yaml                       module of each component, message of each buffer
    variables/data/<component>/<alias>/<Buffer>   <Module>Meta and <Module>Param
    variables/data/pipeline/pipeline/Pipeline     dsl, conf and the dsl that predicts
    run_parameters/<component>/run_parameters.json
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import yaml

from fate_federated.errors import RegistryError
from fate_federated.party import Party

DEFINE = "define/define_meta.yaml"
DATA = "variables/data"
PIPELINE = f"{DATA}/pipeline/pipeline/Pipeline"
PIPELINE_NAME = "pipeline"
META, PARAM = "Meta", "Param"

_BUFFERS = {
    "DataStatistics": "Statistic",
    "FTL": "FTL{Role}",
    "FeatureScale": "Scale",
    "HeteroFastSecureBoost": "HeteroSecureBoostingTree{Role}",
    "HeteroFeatureBinning": "FeatureBinning",
    "HeteroFeatureSelection": "FeatureSelection",
    "HeteroLR": "HeteroLogisticRegression",
    "HeteroLinR": "HeteroLinearRegression",
    "HeteroNN": "HeteroNN{Role}",
    "HeteroPearson": "HeteroPearsonModel",
    "HeteroPoisson": "HeteroPoissonRegression",
    "HeteroSecureBoost": "HeteroSecureBoostingTree{Role}",
    "HomoFeatureBinning": "FeatureBinning",
    "HomoLR": "HomoLogisticRegression",
    "HomoOneHotEncoder": "OHEAlignment",
    "HomoSecureBoost": "HomoSecureBoostingTreeGuest",
    "HomoSecureboost": "HomoSecureBoostingTreeGuest",
    "Intersection": "IntersectModel",
    "OneHotEncoder": "OneHot",
    "SampleWeight": "SampleWeightModel",
    "SecureInformationRetrieval": "SecureInformationRetrieval",
}
"""What FATE calls the buffers of a module, where it is not the module's own name."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """One message of a component's model.

    Attributes:
        path: of its file in the part.
        message: the protobuf message's name, without a package.
    """

    component: str
    alias: str
    module: str
    kind: str
    path: str
    message: str


def buffer_path(component: str, alias: str, name: str) -> str:
    """Where a buffer is kept. Names come from a dsl, which may be another organisation's."""
    return f"{DATA}/{_segment(component)}/{_segment(alias)}/{name}"


def buffer_name(module: str, party: Party, kind: str) -> str:
    """FATE's name of a buffer."""
    return _BUFFERS.get(module, module).replace("{Role}", party.role.value.capitalize()) + kind


def parameters_path(component: str) -> str:
    return f"run_parameters/{_segment(component)}/run_parameters.json"


def define_text(buffers: Iterable[Buffer], pipeline_message: str = "Pipeline") -> bytes:
    """The text of define_meta.yaml."""
    modules: dict[str, Any] = {PIPELINE_NAME: {"module_name": "Pipeline"}}
    messages: dict[str, Any] = {PIPELINE_NAME: {PIPELINE_NAME: {"Pipeline": pipeline_message}}}
    for buffer in buffers:
        modules[buffer.component] = {"module_name": buffer.module}
        of_alias = messages.setdefault(buffer.component, {}).setdefault(buffer.alias, {})
        of_alias[buffer.path.rpartition("/")[2]] = buffer.message
    content = {"component_define": modules, "model_proto": messages}
    return yaml.safe_dump(content, sort_keys=True).encode()


def read_define(text: bytes) -> tuple[Buffer, ...]:
    """The buffers that a define_meta.yaml names, without that of the pipeline.

    Raises:
        RegistryError: it is none.
    """
    try:
        content = yaml.safe_load(text)
        modules, messages = content["component_define"], content["model_proto"]
        return tuple(
            Buffer(
                component=str(component),
                alias=str(alias),
                module=str(modules[component]["module_name"]),
                kind=META if str(name).endswith(META) else PARAM,
                path=buffer_path(str(component), str(alias), str(name)),
                message=str(message),
            )
            for component, aliases in messages.items()
            if component != PIPELINE_NAME
            for alias, names in aliases.items()
            for name, message in names.items()
            if _is_buffer(str(name))
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise RegistryError(f"{DEFINE} is not FATE's: {type(error).__name__}: {error}.") from error


def parameters_text(parameters: Mapping[str, Any]) -> bytes:
    return json.dumps(parameters, indent=1, sort_keys=True, default=str).encode()


def _is_buffer(name: str) -> bool:
    return name.endswith((META, PARAM)) and "/" not in name and name not in (META, PARAM)


def _segment(name: str) -> str:
    if set(name) <= {"."}:
        raise RegistryError(f"{name!r} cannot name a component or a model.")
    return quote(name, safe="")


def component_of(path: str) -> str:
    """The component that a file of a part belongs to; empty for what belongs to the whole."""
    parts = path.split("/")
    if path.startswith(f"{DATA}/") and len(parts) == 5:
        return unquote(parts[2])
    if parts[0] == "run_parameters" and len(parts) == 3:
        return unquote(parts[1])
    return ""
