"""One party's part of a model version, read from a folder that holds what FATE's zip of it does."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message

import fate_federated.pb.model as messages
from fate_federated.errors import RegistryError
from fate_federated.party import Party, Role
from fate_federated.pb.model.pipeline_pb2 import Pipeline
from fate_federated.registry.archive import ArchiveAbout, read_archive
from fate_federated.registry.layout import DEFINE, META, PARAM, PIPELINE, parameters_path, read_define
from fate_federated.task.model import Model
from fate_serving.codes import Code, ServingError

ABOUT = "serving.json"
"""What an archive says of itself, beside its unpacked files."""

OLD_NAMES = {"DataIOMeta": "DataTransformMeta", "DataIOParam": "DataTransformParam"}
"""Messages of FATE's models that have another's fields."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component of the dsl that predicts.

    Attributes:
        sources: ``<component>.<output>`` or ``args.<table>`` of its data.
        model: whose model it applies, as (component, alias); None where it has none.
    """

    name: str
    module: str
    sources: tuple[str, ...]
    model: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class ModelPart:
    """What a party has of a version.

    Attributes:
        model_id: the same at all parties.
        components: of the dsl that predicts, in its order.
        models: by (component, alias).
        parameters: what components ran with, by name.
    """

    party: Party
    model_id: str
    version: str
    parties: tuple[Party, ...]
    components: tuple[Component, ...]
    models: Mapping[tuple[str, str], Model]
    parameters: Mapping[str, Mapping[str, Any]]

    @property
    def namespace(self) -> str:
        """What FATE calls this party's model."""
        return namespace_of(self.party, self.model_id)

    @property
    def hosts(self) -> tuple[Party, ...]:
        """The other parties that may have a part in scores."""
        return tuple(party for party in self.parties if party.role is Role.HOST and party != self.party)


def namespace_of(party: Party, model_id: str) -> str:
    """``<role>#<party id>#<model id>``."""
    return f"{party.role}#{party.party_id}#{model_id}"


def split_namespace(namespace: str) -> tuple[Party, str]:
    """The party and the model id of a namespace.

    Raises:
        ServingError: PARAMETER; it is none.
    """
    role, _, rest = namespace.partition("#")
    party_id, separator, model_id = rest.partition("#")
    try:
        if separator and model_id:
            return Party(Role(role), party_id), model_id
    except (ValueError, RegistryError):
        pass
    raise ServingError(Code.PARAMETER, f"namespace {namespace[:200]!r} is not <role>#<party id>#<model id>.")


def unpack(zip_file: Path, folder: Path) -> ArchiveAbout:
    """Put a zip of FATE's layout into a new folder.

    Raises:
        ServingError: LOAD; it is none.
    """
    try:
        about = read_archive(zip_file, folder)
    except (RegistryError, OSError) as error:
        raise ServingError(Code.LOAD, f"The model {zip_file.name} cannot be read: {error}") from error
    (folder / ABOUT).write_text(
        json.dumps({"model_id": about.model_id, "version": about.version, "parties": list(about.parties)})
    )
    return about


def read_part(folder: Path, party: Party) -> ModelPart:
    """Read what :func:`unpack` has put into a folder.

    Raises:
        ServingError: LOAD or MODEL_INIT; the text names what is wrong.
    """
    try:
        about = json.loads((folder / ABOUT).read_text())
        pipeline = Pipeline.FromString((folder / PIPELINE).read_bytes())
        if not pipeline.inference_dsl:
            raise ServingError(Code.LOAD, "The model has no dsl that predicts. Deploy it: see `fate model deploy`.")
        components = _components(json.loads(pipeline.inference_dsl))
        return ModelPart(
            party=party,
            model_id=str(about["model_id"]),
            version=str(about["version"]),
            parties=tuple(map(Party.parse, about["parties"])),
            components=components,
            models=_models(folder),
            parameters={
                component.name: json.loads(file.read_text())
                for component in components
                if (file := folder / parameters_path(component.name)).exists()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DecodeError, RegistryError) as error:
        raise ServingError(Code.LOAD, f"The model cannot be read: {type(error).__name__}: {error}.") from error


def _components(dsl: Mapping[str, Any]) -> tuple[Component, ...]:
    found = []
    for name, said in dsl["components"].items():
        given = said.get("input", {})
        sources = [source for port in given.get("data", {}).values() for source in port]
        found.append(
            Component(
                name=str(name),
                module=str(said.get("module") or said.get("CodePath", "")).rpartition("/")[2],
                sources=tuple(dict.fromkeys(map(str, sources))),
                model=_model_source(str(name), given.get("model", ())),
            )
        )
    return tuple(found)


def _model_source(name: str, sources: Any) -> tuple[str, str] | None:
    for source in sources:
        words = str(source).removeprefix("pipeline.").split(".")
        return (words[0], words[1]) if len(words) > 1 else (words[0], "")
    return (name, "")


def _models(folder: Path) -> dict[tuple[str, str], Model]:
    halves: dict[tuple[str, str], dict[str, Message]] = {}
    modules: dict[tuple[str, str], str] = {}
    for buffer in read_define((folder / DEFINE).read_bytes()):
        kind = _messages().get(OLD_NAMES.get(buffer.message, buffer.message))
        if kind is None:
            continue  # of a module that is refused by name, where the pipeline applies it
        place = (buffer.component, buffer.alias)
        modules[place] = buffer.module
        halves.setdefault(place, {})[buffer.kind] = kind.FromString((folder / buffer.path).read_bytes())
    return {
        place: Model(modules[place], found[META], found[PARAM])
        for place, found in halves.items()
        if META in found and PARAM in found
    }


@cache
def _messages() -> dict[str, type[Message]]:
    """All messages that models are made of, by name."""
    found: dict[str, type[Message]] = {}
    for module in pkgutil.iter_modules(messages.__path__):
        if module.name.endswith("_pb2"):
            loaded = importlib.import_module(f"{messages.__name__}.{module.name}")
            for name in loaded.DESCRIPTOR.message_types_by_name:
                found[name] = getattr(loaded, name)
    return found
