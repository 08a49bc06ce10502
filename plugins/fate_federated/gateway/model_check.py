"""Whether everything is as the registry says: files, git, the DVC remote, and the other parties."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

from sqlalchemy.orm import Session

from fate_federated.errors import FateFederatedError, RegistryError
from fate_federated.gateway.database import Database
from fate_federated.gateway.model_links import ModelLinks
from fate_federated.gateway.model_parts import ModelFiles
from fate_federated.gateway.model_store import list_models, list_versions, load_model, model_row
from fate_federated.party import Party
from fate_federated.registry.objects import KeptFile, KeptFolder, digest_of
from fate_federated.wire.model_records import CheckReport, Finding, Model, ModelVersion

log = logging.getLogger(__name__)

MOST_VERSIONS = 1_000_000
REPAIR = "`fate model check --repair` mends it."


class ModelCheck:
    """Looks, and mends what can be mended from what is left: cache, remote, database."""

    def __init__(self, hosted: tuple[Party, ...], database: Database, links: ModelLinks, files: ModelFiles) -> None:
        self._hosted, self._database, self._links, self._files = hosted, database, links, files

    async def check(self, name: str, *, repair: bool) -> CheckReport:
        """Check one model, or all of them.

        Raises:
            ModelNotFound: there is none of that name.
        """

        def work(session: Session) -> list[tuple[Model, list[ModelVersion]]]:
            models = [load_model(session, model_row(session, name))] if name else list_models(session)
            return [(model, list_versions(session, model.model_id, MOST_VERSIONS)) for model in models]

        findings: list[Finding] = []
        versions, seen = 0, dict[str, KeptFile]()
        for model, history in await self._database.run(work):
            versions += len(history)
            findings += await self._files.run(partial(self._check_files, model, history, seen, repair=repair))
            findings += await self._files.run(partial(self._check_refs, model, history, repair=repair))
            findings += await self._compare(model, history)
        return CheckReport(tuple(findings), versions, len(seen), sum(file.bytes for file in seen.values()))

    def _check_files(
        self, model: Model, history: list[ModelVersion], seen: dict[str, KeptFile], *, repair: bool
    ) -> list[Finding]:
        """Every file against its hash, the parts against the registry, and whether the remote has everything."""
        repository, findings, folders = self._files.repository, list[Finding](), list[tuple[str, KeptFolder]]()
        for version in history:
            try:
                kept = repository.folder_of(version.commit)
            except RegistryError as error:
                findings.append(
                    Finding(model.name, version.version, str(error), "Restore the folder models from a backup.")
                )
                continue
            folders.append((version.version, kept))
            digests = {part.party: part.digest for part in version.parts}
            for party in self._hosted:
                if party in digests and digest_of(kept.part(str(party))) != digests[party]:
                    what = f"the list of {party}'s files in git is not the one that was committed"
                    remedy = "Restore the folder models from a backup."
                    findings.append(Finding(model.name, version.version, what, remedy))
            for path, file in kept.files.items():
                if file.md5 not in seen:
                    seen[file.md5] = file
                    if not repository.objects.is_intact(file):
                        findings.append(self._mend(model, version, path, file, repair=repair))
        return [*findings, *self._check_remote(model, folders, repair=repair)]

    def _mend(self, model: Model, version: ModelVersion, path: str, file: KeptFile, *, repair: bool) -> Finding:
        what = f"{path} is missing in the cache or not what was kept (SHA-256 {file.sha256[:12]}…)"
        if not repair:
            return Finding(model.name, version.version, what, f"{REPAIR} It is fetched from the DVC remote.")
        try:
            self._files.repository.objects.restore(file)
        except RegistryError as error:
            return Finding(model.name, version.version, what, str(error))
        return Finding(model.name, version.version, what, "Fetched anew from the DVC remote.", repaired=True)

    def _check_remote(self, model: Model, folders: list[tuple[str, KeptFolder]], *, repair: bool) -> Iterator[Finding]:
        repository = self._files.repository
        of_version = {kept.md5: version for version, kept in folders}
        of_version |= {file.md5: version for version, kept in folders for file in kept.files.values()}
        try:
            missing = repository.objects.missing_in_remote(list(of_version))
            for md5 in missing:
                what = f"the DVC remote lacks {md5}"
                if repair:
                    repository.objects.push_object(md5)
                remedy = "Pushed." if repair else REPAIR
                yield Finding(model.name, of_version[md5], what, remedy, repaired=repair)
        except RegistryError as error:
            yield Finding(model.name, "", "the DVC remote cannot be checked", str(error))

    def _check_refs(self, model: Model, history: list[ModelVersion], *, repair: bool) -> list[Finding]:
        """Branches and tags of the repository against the registry, which decides."""
        repository, findings = self._files.repository, []
        commits = {version.version: version.commit for version in history}
        group = f"models/{model.name}"
        wanted = {(ref.kind.value, ref.name): commits[ref.version] for ref in model.refs}
        there = repository.refs(group)
        for key in sorted(wanted.keys() | there.keys()):
            if wanted.get(key) == there.get(key):
                continue
            kind, name = key
            is_at = there.get(key, "")[:12] or "missing"
            what = (
                f"the {kind} {group}/{name} of the repository is {is_at}, and should be {wanted.get(key, 'gone')[:12]}"
            )
            if repair:
                repository.point(kind, group, name, wanted.get(key, ""))
            findings.append(Finding(model.name, "", what, "Moved back." if repair else REPAIR, repaired=repair))
        for version in history:
            if repair and repository.has_commit(version.commit):
                repository.keep_commit(version.version, version.commit)
        return findings

    async def _compare(self, model: Model, history: list[ModelVersion]) -> list[Finding]:
        """This site's registry against those of the model's other parties."""
        findings = []
        ours = {version.version: _shared(version) for version in history}
        refs = {(ref.kind, ref.name): ref.version for ref in model.refs}
        for site in self._links.sites(model.parties):
            if set(site.parties) & set(self._hosted):
                continue
            names = ", ".join(map(str, site.parties))
            try:
                their_model, their_history = await site.compare(model.model_id)
            except FateFederatedError as error:
                findings.append(Finding(model.name, "", f"{names} could not be asked", str(error)))
                continue
            theirs = {version.version: _shared(version) for version in their_history}
            wait = "If a change is open (`fate model pending`), it is told when the party answers."
            for version in sorted(ours.keys() | theirs.keys()):
                if ours.get(version) != theirs.get(version):
                    what = (
                        "is not here" if version not in ours else "is not there" if version not in theirs else "differs"
                    )
                    findings.append(Finding(model.name, version, f"version {what}, compared with {names}", wait))
            if refs != {(ref.kind, ref.name): ref.version for ref in their_model.refs}:
                findings.append(Finding(model.name, "", f"branches or tags differ from those at {names}", wait))
        return findings


def _shared(version: ModelVersion) -> tuple[object, ...]:
    """What has to be the same at all parties."""
    about = version.about
    return about, version.message, version.author, version.by, version.parts, version.pinned, version.retired
