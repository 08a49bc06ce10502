"""Modules that measure tables, and those that show a protocol."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fate_federated.catalog.modules.roles import GUEST_HOST, GUEST_HOST_ARBITER
from fate_federated.catalog.shared_params import (
    AnyParams,
    AtLeast2,
    Columns,
    Count,
    Fraction,
    ModuleParams,
    Names,
    PositiveInt,
)
from fate_federated.catalog.spec import ComponentParams, ModuleSpec


class HeteroKmeansParams(ModuleParams):
    """Clusters of rows."""

    k: AtLeast2 = 5
    max_iter: PositiveInt = 300
    tol: float = Field(1e-3, ge=0)
    random_stat: Count | None = None


class FeldmanVerifiableSumParams(ComponentParams):
    """Sums of columns over the parties, with a proof."""

    sum_cols: Columns | Names = None
    q_n: int = 6


class SecureInformationRetrievalParams(ModuleParams):
    """Columns of a host for rows that it does not learn."""

    security_level: Fraction = 0.5
    oblivious_transfer_protocol: str = "OT_Hauck"
    commutative_encryption: str = "CommutativeEncryptionPohligHellman"
    non_committing_encryption: str = "aes"
    key_size: PositiveInt = 1024
    dh_params: dict[str, Any] | None = None
    raw_retrieval: bool = False
    target_cols: str | Names = None


class SecureAddExampleParams(ModuleParams):
    """A sum of two secret numbers, to try an installation."""

    seed: int | None = None
    partition: PositiveInt = 1
    data_num: PositiveInt = 1000


class RsaParams(ModuleParams):
    """An RSA key that signs the ids of a library. Of FATE 1.1 to 1.6."""

    rsa_key_n: str | int | None = None
    rsa_key_e: str | int | None = None
    rsa_key_d: str | int | None = None
    save_out_table_namespace: str | None = None
    save_out_table_name: str | None = None


HETERO_KMEANS = ModuleSpec(
    module="HeteroKmeans",
    roles=GUEST_HOST_ARBITER,
    needs=GUEST_HOST_ARBITER,
    params=HeteroKmeansParams,
    data_outputs=2,
    model_outputs=1,
)
FELDMAN_VERIFIABLE_SUM = ModuleSpec(
    module="FeldmanVerifiableSum",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=FeldmanVerifiableSumParams,
    model_outputs=1,
)
SECURE_INFORMATION_RETRIEVAL = ModuleSpec(
    module="SecureInformationRetrieval",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=SecureInformationRetrievalParams,
    model_outputs=1,
)
SECURE_ADD_EXAMPLE = ModuleSpec(
    module="SecureAddExample",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=SecureAddExampleParams,
    needs_data=False,
    legacy_defaults={"seed": 123, "data_num": 10000},
)
RSA = ModuleSpec(module="Rsa", roles=GUEST_HOST, params=RsaParams, model_outputs=1, needs_data=False)
SPDZ_TEST = ModuleSpec(module="SPDZTest", roles=GUEST_HOST_ARBITER, params=AnyParams, model_outputs=1, needs_data=False)
