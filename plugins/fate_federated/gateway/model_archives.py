"""Parts of versions that leave the site as a file, and come as one."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from fate_federated.errors import ModelNotFound, RegistryError
from fate_federated.gateway.database import Database
from fate_federated.gateway.imports import ABOUT, staged_imports
from fate_federated.gateway.model_parts import ModelFiles
from fate_federated.gateway.model_store import load_model, load_version, model_row, resolve
from fate_federated.gateway.schema import ModelVersionRow
from fate_federated.party import Party
from fate_federated.pb.model.pipeline_pb2 import Pipeline
from fate_federated.registry.archive import ArchiveAbout, complete_pipeline, read_archive, write_archive
from fate_federated.registry.layout import PIPELINE
from fate_federated.settings import SiteSettings
from fate_federated.wire.model_convert import VERSION
from fate_federated.wire.model_records import Model, ModelVersion, VersionKind


class ModelArchives:
    """Writes and reads archives of parts."""

    def __init__(self, site: SiteSettings, database: Database, files: ModelFiles) -> None:
        self._site, self._database, self._files = site, database, files

    async def export(self, name: str, ref: str, party: Party | None) -> tuple[str, Path]:
        """A party's part of a version as a file, which the caller removes.

        Args:
            party: None for the first of this site.

        Returns:
            FATE's name of the file, and where it is.

        Raises:
            ModelNotFound: there is none.
        """

        def work(session: Session) -> tuple[Model, ModelVersion]:
            row = resolve(session, name, ref)
            return load_model(session, model_row(session, row.model_id)), load_version(row)

        model, version = await self._database.run(work)
        hosted = [other for other in model.parties if other in self._site.hosted]
        party = party or hosted[0]
        if party not in hosted:
            raise ModelNotFound(f"{party} has no part of {model.name} at {self._site.name}.")
        return await self._files.run(partial(self._write, model, version, party))

    def _write(self, model: Model, version: ModelVersion, party: Party) -> tuple[str, Path]:
        repository = self._files.repository
        part = repository.folder_of(version.commit).part(str(party))
        about = ArchiveAbout(
            model_id=model.model_id,
            version=version.version,
            party=str(party),
            initiator=str(model.initiator),
            parties=tuple(map(str, model.parties)),
            job_id=version.about.job_id,
            message=version.message,
        )
        with repository.objects.open(part[PIPELINE]) as stream:
            pipeline = Pipeline.FromString(stream.read())
        deployed = version.about.kind is VersionKind.DEPLOYED
        whole = complete_pipeline(pipeline, about, deployed=deployed, parent=version.about.source)
        opened = {path: partial(repository.objects.open_intact, file) for path, file in part.items()}
        with tempfile.NamedTemporaryFile(dir=self._folder(), suffix=".zip", delete=False) as target:
            path = Path(target.name)
            try:
                write_archive(target.file, about, opened, {PIPELINE: whole.SerializeToString(deterministic=True)})
            except BaseException:
                path.unlink()
                raise
        return f"{party.role}#{party.party_id}#{model.model_id}_{version.version}.zip", path

    async def receive(self, party: Party, parts: AsyncIterator[bytes]) -> ArchiveAbout:
        """Unpack a party's part and keep it until the version is imported at all parties.

        Raises:
            RegistryError: it is not whole, was changed, is another party's, or is here already.
        """
        folder = self._folder()
        with tempfile.TemporaryDirectory(dir=folder) as name:
            file = Path(name) / "archive.zip"
            with file.open("wb") as target:
                async for part in parts:
                    target.write(part)
            about = await self._files.run(partial(read_archive, file, Path(name) / "part"))
            self._check(about, party)
            known = await self._database.run(lambda session: session.get(ModelVersionRow, about.version))
            if known is not None:
                raise RegistryError(
                    f"{self._site.name} has version {about.version} already. Versions are never replaced."
                )
            staged = staged_imports(self._site, about.version)
            staged.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(staged / str(party), ignore_errors=True)
            (Path(name) / "part").rename(staged / str(party))
            (staged / ABOUT).write_text(json.dumps(asdict(about)), encoding="utf-8")
        return about

    def _check(self, about: ArchiveAbout, party: Party) -> None:
        if about.party not in ("", str(party)):
            raise RegistryError(f"The archive is the part of {about.party}, not of {party}.")
        if str(party) not in about.parties or about.initiator not in about.parties:
            raise RegistryError(f"{party} is no party of the archive's model: {', '.join(about.parties)}.")
        if not VERSION.fullmatch(about.version) or len(about.model_id) > 512 or not about.model_id:
            raise RegistryError("The archive's version or model_id cannot be one.")

    def _folder(self) -> Path:
        folder = self._site.path("gateway/imports")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
