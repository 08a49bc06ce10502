"""Models: one history at every party."""

from __future__ import annotations

from tests.gateway.conftest import ALL, HOST, Federation
from tests.gateway.model_federation import LR, history, model, train

from fate_federated.pb.model.linear_model_pb2 import LRModelParam
from fate_federated.wire.model_records import VersionKind


def test_a_training_becomes_a_version_at_every_party(federation: Federation) -> None:
    version = train(federation, 0.5)
    assert version.about.kind is VersionKind.TRAINED
    assert version.version == version.about.job_id
    assert {part.party for part in version.parts} == set(ALL)
    assert version.metrics == {LR: {"train": {LR: {"auc": 0.9}}}}
    assert [table["table"] for table in version.data] == ["experiment.breast"]
    histories = [history(federation, party) for party in ALL]
    assert histories[0] == histories[1] == histories[2]
    found = federation[HOST].client().models.version("credit@experiment")
    assert found.metrics == {}, "what the guest measured stays there"
    about, data = federation[HOST].client().models.read(version.version, HOST, LR, "model", "Param")
    assert (about.module, about.message) == ("HeteroLR", "LRModelParam")
    assert LRModelParam.FromString(data) == model(-0.5).param
