"""Models as files: exported, imported, checked; and tables as they were."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, Federation
from tests.gateway.model_federation import LR, ask, committed, finish, history, model, run_training, train

from fate_federated.errors import RegistryError
from fate_federated.party import Party
from fate_federated.pb.model.linear_model_pb2 import LRModelParam
from fate_federated.pb.model.pipeline_pb2 import Pipeline
from fate_federated.registry.repository import ModelRepository
from fate_federated.wire.model_records import Action, OperationState, VersionKind
from fate_federated.wire.records import TableRecord

PARAM = f"variables/data/{LR}/model/HeteroLogisticRegressionParam"
PIPELINE = "variables/data/pipeline/pipeline/Pipeline"


@pytest.fixture(scope="module")
def trained(modules_federation: Federation) -> Federation:
    train(modules_federation, 0.5)
    return modules_federation


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Another federation of the same parties, with an empty registry."""
    federation = Federation(tmp_path_factory.mktemp("elsewhere"), lambda name: "")
    yield federation.add_sites((GUEST,), (HOST,), (ARBITER,))
    federation.close()


def export(federation: Federation, folder: Path, party: Party) -> Path:
    return federation[party].client().models.export("credit@experiment", folder, party)


def test_an_export_has_the_layout_of_fate(trained: Federation, tmp_path: Path) -> None:
    file = export(trained, tmp_path, GUEST)
    version = trained[GUEST].client().models.version("credit@experiment").version
    assert file.name == f"guest#9999#arbiter-10000#guest-9999#host-10000#credit_{version}.zip"
    with zipfile.ZipFile(file) as archive:
        assert LRModelParam.FromString(archive.read(PARAM)) == model(0.5).param
        pipeline = Pipeline.FromString(archive.read(PIPELINE))
        assert f"run_parameters/{LR}/run_parameters.json" in archive.namelist()
        define = archive.read("define/define_meta.yaml").decode()
    assert "HeteroLogisticRegressionParam: LRModelParam" in define
    assert json.loads(pipeline.roles) == {"guest": [9999], "host": [10000], "arbiter": [10000]}
    assert (pipeline.model_version, pipeline.initiator_party_id, pipeline.parent) == (version, 9999, True)
    assert json.loads(pipeline.inference_dsl)["components"][LR]["CodePath"] == "HeteroLRGuest"
    assert MessageToDict(pipeline)["modelId"] == "arbiter-10000#guest-9999#host-10000#credit"


def test_parts_come_together_again_in_another_federation(
    trained: Federation, elsewhere: Federation, tmp_path: Path
) -> None:
    files = {party: export(trained, tmp_path, party) for party in ALL}
    clients = {party: elsewhere[party].client().models for party in ALL}
    with pytest.raises(RegistryError, match=r"The part of host-10000 is unpacked and waits: The initiator has no part"):
        clients[HOST].import_part(files[HOST], HOST)
    with pytest.raises(RegistryError, match=r"waits: arbiter-10000: arbiter-10000 has no part of version \d+ yet"):
        clients[GUEST].import_part(files[GUEST], GUEST)
    assert clients[GUEST].list() == ()
    assert clients[ARBITER].import_part(files[ARBITER], ARBITER).state is OperationState.DONE
    version = clients[GUEST].version("credit@experiment")
    original = trained[GUEST].client().models.version("credit@experiment")
    assert version.about.kind is VersionKind.IMPORTED
    assert (version.version, version.parts) == (original.version, original.parts), "bit for bit"
    _, data = clients[HOST].read(version.version, HOST, LR, "model", "Param")
    assert LRModelParam.FromString(data) == model(-0.5).param
    assert [history(elsewhere, party) for party in ALL] == [history(elsewhere, GUEST)] * 3
    with pytest.raises(RegistryError, match=r"has version \d+ already. Versions are never replaced"):
        clients[GUEST].import_part(files[GUEST], GUEST)
    assert all(not list(elsewhere[party].settings.path("gateway/imports").iterdir()) for party in ALL)


def changed(change: Callable[[zipfile.ZipFile, zipfile.ZipFile], None]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        original = file.rename(file.with_suffix(".original"))
        with zipfile.ZipFile(original) as source, zipfile.ZipFile(file, "w") as target:
            change(source, target)

    return apply


def copy(source: zipfile.ZipFile, target: zipfile.ZipFile, *, but: str = "") -> None:
    for name in source.namelist():
        if name != but:
            target.writestr(name, source.read(name))


def tamper(source: zipfile.ZipFile, target: zipfile.ZipFile) -> None:
    copy(source, target, but=PARAM)
    target.writestr(PARAM, model(7).param.SerializeToString())


def outside(source: zipfile.ZipFile, target: zipfile.ZipFile) -> None:
    copy(source, target)
    target.writestr("../../outside", b"")


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-100]), "truncated or changed"),
        (lambda file: file.write_bytes(file.read_bytes().replace(b"Logistic", b"Lopistic", 1)), "truncated or changed"),
        (lambda file: file.write_bytes(b"no zip"), "is no zip file"),
        (changed(tamper), f"was changed: the SHA-256 of {PARAM} is not the one"),
        (changed(lambda source, target: copy(source, target, but=PARAM)), f"names {PARAM}, which it does not hold"),
        (changed(lambda source, target: copy(source, target, but=PIPELINE)), "is not FATE's export"),
        (changed(outside), "names a file outside of its own folder"),
    ],
    ids=["truncated", "a flipped letter", "no zip", "tampered", "incomplete", "without pipeline", "outside"],
)
def test_an_archive_that_is_not_whole_is_refused(
    trained: Federation, elsewhere: Federation, tmp_path: Path, harm: Callable[[Path], None], problem: str
) -> None:
    file = export(trained, tmp_path, GUEST)
    harm(file)
    with pytest.raises(RegistryError, match=problem):
        elsewhere[GUEST].client().models.import_part(file, GUEST)
    assert not list(tmp_path.glob("outside"))


def test_a_part_is_taken_for_its_own_party_only(trained: Federation, elsewhere: Federation, tmp_path: Path) -> None:
    file = export(trained, tmp_path, GUEST)
    with pytest.raises(RegistryError, match="is the part of guest-9999, not of host-10000"):
        elsewhere[HOST].client().models.import_part(file, HOST)


def test_a_check_finds_and_repairs(federation: Federation) -> None:
    version = train(federation, 0.5)
    ask(federation, Action.TAG, name="v1")
    guest = federation[GUEST].client().models
    assert guest.check().findings == ()
    repository = ModelRepository(federation[GUEST].settings.model_repository)
    kept = repository.folder_of(version.commit)
    file = kept.part("guest-9999")[PARAM]
    path = repository.objects.path_of(file.md5)
    path.chmod(0o644)
    path.write_bytes(b"x" * file.bytes)
    remote = Path(federation[GUEST].settings.model_remote)
    pushed = next(remote.rglob(kept.part("guest-9999")["define/define_meta.yaml"].md5[2:]))
    pushed.unlink()
    repository.point("branch", "models/credit", "experiment", "")
    repository.point("tag", "models/credit", "mine", version.commit)

    found = guest.check("credit")
    assert sorted((each.version == version.version, each.what.split(" is ")[0]) for each in found.findings) == [
        (False, "the branch models/credit/experiment of the repository"),
        (False, "the tag models/credit/mine of the repository"),
        (True, f"guest-9999/{PARAM}"),
        (True, f"the DVC remote lacks {pushed.parent.name}{pushed.name}"),
    ]
    repaired = guest.check("credit", repair=True)
    assert all(each.repaired for each in repaired.findings)
    assert guest.check("credit").findings == ()
    assert path.read_bytes() == model(0.5).param.SerializeToString(deterministic=True)


def test_a_changed_file_is_never_handed_out(federation: Federation) -> None:
    version = train(federation, 0.5)
    settings = federation[GUEST].settings
    repository = ModelRepository(settings.model_repository)
    file = repository.folder_of(version.commit).part("guest-9999")[PARAM]
    for folder in (repository.objects.path_of(file.md5), next(Path(settings.model_remote).rglob(file.md5[2:]))):
        folder.chmod(0o644)
        folder.write_bytes(b"x" * file.bytes)
    with pytest.raises(RegistryError, match=r"is not what was kept|DVC remote of .* does not have"):
        federation[GUEST].client().models.read(version.version, GUEST, LR, "model", "Param")


def test_a_party_that_differs_is_found(federation: Federation) -> None:
    train(federation, 0.5)
    gateway = federation[HOST].gateway
    assert gateway is not None

    def forget(session: object) -> None:
        from fate_federated.gateway.schema import ModelRefRow

        session.query(ModelRefRow).delete()  # type: ignore[attr-defined]

    federation.loop.run(gateway.database.run(forget))
    findings = federation[GUEST].client().models.check().findings
    assert [each.what for each in findings] == ["branches or tags differ from those at host-10000"]


def test_a_version_names_the_snapshot_of_its_table(
    federation: Federation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = federation[GUEST]
    table = tmp_path / "breast.parquet"
    table.write_bytes(b"rows")
    record = TableRecord("experiment", "breast", f"file://{table}", 1, "id", (), 4)
    monkeypatch.setitem(type(site).have_table.__globals__, "BREAST", record)
    job = run_training(federation, 0.5)
    taken = site.client().models.snapshot("experiment", "breast", "before the holidays")
    again = site.client().models.snapshot("experiment", "breast")
    assert (taken.unchanged, again.unchanged, again.digest) == (False, True, taken.digest)
    repository = ModelRepository(site.settings.model_repository)
    assert repository.ref("branch", "data/experiment", "breast") == taken.commit
    assert repository.folder_of(taken.commit).files["table.parquet"].md5 == taken.digest
    finish(federation, job)
    committed(federation, job)
    snapshots = {
        party: [each.get("snapshot") for each in federation[party].client().models.version("credit").data]
        for party in (GUEST, HOST)
    }
    assert snapshots == {GUEST: [taken.digest], HOST: [None]}, "the host has taken none"


def as_fate_made_it(source: zipfile.ZipFile, target: zipfile.ZipFile) -> None:
    """Without the list of ours, with the JSON files that FATE puts beside its buffers."""
    copy(source, target, but="fate_federated.json")
    target.writestr(f"{PARAM}.json", "{}")


def test_a_zip_of_fate_is_taken(trained: Federation, tmp_path: Path) -> None:
    (tmp_path / "fate").mkdir()
    federation = Federation(tmp_path / "fate", lambda name: "").add_sites((GUEST,), (HOST,), (ARBITER,))
    try:
        clients = {party: federation[party].client().models for party in ALL}
        files = {party: export(trained, tmp_path, party) for party in ALL}
        for file in files.values():
            changed(as_fate_made_it)(file)
        for party in (HOST, ARBITER):
            with pytest.raises(RegistryError, match="is unpacked and waits"):
                clients[party].import_part(files[party], party, branch="from-fate")
        assert clients[GUEST].import_part(files[GUEST], GUEST, branch="from-fate").state is OperationState.DONE
        found = [federation[party].client().models.version("credit@from-fate") for party in ALL]
        assert {version.about.kind for version in found} == {VersionKind.IMPORTED}
        _, data = federation[HOST].client().models.read(found[0].version, HOST, LR, "model", "Param")
        assert LRModelParam.FromString(data) == model(-0.5).param
    finally:
        federation.close()
