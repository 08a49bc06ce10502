"""One party's part of a version as a zip file, laid out as FATE 1.x's ``model/export`` does.

Beside FATE's files stands ``fate_federated.json``: the version, and the SHA-256 of every file. A zip that FATE made has
none, and is taken with the zip's own checksums.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, BinaryIO

from google.protobuf.message import DecodeError

from fate_federated.errors import InvalidParty, RegistryError
from fate_federated.party import Party, Role
from fate_federated.pb.model.pipeline_pb2 import Pipeline
from fate_federated.registry.layout import DEFINE, PIPELINE, read_define

ABOUT = "fate_federated.json"
MAX_BYTES = 64 << 30
MAX_FILES = 100_000
COPY_BYTES = 1 << 20
_DAY_ONE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class ArchiveAbout:
    """Which version a zip holds a part of, and whose.

    Attributes:
        party: whose part; empty where FATE made the zip, which does not say.
        job_id: of the job that trained.
    """

    model_id: str
    version: str
    party: str
    initiator: str
    parties: tuple[str, ...]
    job_id: str
    message: str = ""


def write_archive(
    target: IO[bytes],
    about: ArchiveAbout,
    files: Mapping[str, Callable[[], AbstractContextManager[BinaryIO]]],
    replaced: Mapping[str, bytes],
) -> None:
    """Write a part.

    Args:
        files: by path in the part, what opens it.
        replaced: content that stands in place of some of them.
    """
    digests = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(files):
            digest = hashlib.sha256()
            with archive.open(zipfile.ZipInfo(path, _DAY_ONE), "w", force_zip64=True) as entry:
                if path in replaced:
                    entry.write(replaced[path])
                    digest.update(replaced[path])
                else:
                    with files[path]() as source:
                        while part := source.read(COPY_BYTES):
                            entry.write(part)
                            digest.update(part)
            digests[path] = digest.hexdigest()
        said = {**asdict(about), "files": digests}
        archive.writestr(zipfile.ZipInfo(ABOUT, _DAY_ONE), json.dumps(said, indent=1, sort_keys=True))


def read_archive(source: Path, folder: Path) -> ArchiveAbout:
    """Unpack a part, after looking whether it is one and whole.

    Args:
        folder: new; left as it is when something is wrong.

    Raises:
        RegistryError: it is no such zip, is truncated, was changed, or names files outside of its own folder.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            names = _checked_names(archive)
            said = json.loads(archive.read(ABOUT)) if ABOUT in names else None
            about = _about(said, Pipeline.FromString(archive.read(PIPELINE)))
            defined = {buffer.path for buffer in read_define(archive.read(DEFINE))}
            missing = sorted(defined - set(names))
            if missing:
                raise RegistryError(f"The archive is not whole: {DEFINE} names {missing[0]}, which it does not hold.")
            digests = {} if said is None else said["files"]
            if said is not None and set(digests) != set(names) - {ABOUT}:
                raise RegistryError(f"The archive was changed: it does not hold the files that {ABOUT} lists.")
            for name in names:
                if name != ABOUT:
                    _unpack(archive, name, folder / name, digests.get(name))
            return about
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise RegistryError(f"The archive is no zip file, or was truncated or changed: {error}.") from error
    except KeyError as error:
        raise RegistryError(f"The archive is not FATE's export of a model: {error}.") from error
    except (ValueError, TypeError, DecodeError, NotImplementedError, RuntimeError, InvalidParty) as error:
        raise RegistryError(f"The archive cannot be read: {type(error).__name__}: {error}.") from error


def bare_pipeline(pipeline: Pipeline) -> Pipeline:
    """A pipeline without what tells one version from another, as the registry keeps it."""
    return Pipeline(
        inference_dsl=pipeline.inference_dsl,
        train_dsl=pipeline.train_dsl,
        train_runtime_conf=pipeline.train_runtime_conf,
        runtime_conf_on_party=pipeline.runtime_conf_on_party,
        parent=pipeline.parent,
    )


def complete_pipeline(pipeline: Pipeline, about: ArchiveAbout, *, deployed: bool, parent: str) -> Pipeline:
    """A version's pipeline with what FATE writes into it of the version itself."""
    parties = list(map(Party.parse, about.parties))
    initiator = Party.parse(about.initiator)
    whole = Pipeline()
    whole.CopyFrom(pipeline)
    whole.fate_version = "1.11.4"
    whole.model_id, whole.model_version = about.model_id, about.version
    whole.parent = not deployed
    whole.roles = json.dumps(
        {
            role: [_id(party) for party in parties if party.role is role]
            for role in dict.fromkeys(p.role for p in parties)
        }
    ).encode()
    whole.initiator_role = initiator.role
    whole.initiator_party_id = int(initiator.party_id) if initiator.party_id.isdecimal() else 0
    if parent:
        whole.parent_info = json.dumps({"parent_model_id": about.model_id, "parent_model_version": parent}).encode()
    return whole


def _id(party: Party) -> int | str:
    return int(party.party_id) if party.party_id.isdecimal() else party.party_id


def _about(said: object, pipeline: Pipeline) -> ArchiveAbout:
    if isinstance(said, dict):
        return ArchiveAbout(
            model_id=str(said["model_id"]),
            version=str(said["version"]),
            party=str(said["party"]),
            initiator=str(Party.parse(said["initiator"])),
            parties=tuple(str(Party.parse(party)) for party in said["parties"]),
            job_id=str(said["job_id"]),
            message=str(said.get("message", "")),
        )
    roles = json.loads(pipeline.roles or b"{}")
    parties = tuple(str(Party(Role(role), str(party_id))) for role, ids in roles.items() for party_id in ids)
    if not pipeline.model_version or not parties or not pipeline.initiator_role:
        raise RegistryError("The archive does not say of which version and whose it is: FATE before 1.7 made it.")
    return ArchiveAbout(
        model_id=pipeline.model_id,
        version=pipeline.model_version,
        party="",
        initiator=str(Party(Role(pipeline.initiator_role), str(pipeline.initiator_party_id))),
        parties=parties,
        job_id=pipeline.model_version,
        message="Imported from FATE",
    )


def _checked_names(archive: zipfile.ZipFile) -> list[str]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    names = [entry.filename for entry in entries]
    if len(names) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise RegistryError("The archive is too large for a model.")
    if len(set(names)) < len(names):
        raise RegistryError("The archive names a file twice.")
    for name in names:
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or "." in parts or "" in parts:
            raise RegistryError(f"The archive names a file outside of its own folder: {name[:100]!r}.")
    return names


def _unpack(archive: zipfile.ZipFile, name: str, target: Path, expected: str | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, COPY_BYTES)
    if expected is not None:
        with target.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != expected:
                raise RegistryError(f"The archive was changed: the SHA-256 of {name} is not the one it lists.")
