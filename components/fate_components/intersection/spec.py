"""Intersection as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from fate_federated.catalog.shared_params import AnyCase, ModuleParams, ParameterGroup, PositiveInt
from fate_federated.catalog.spec import ComponentSpec, unavailable
from fate_federated.party import Role

Hash = Annotated[Literal["none", "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sm3"], AnyCase()]
RealHash = Annotated[Literal["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sm3"], AnyCase()]
Side = Annotated[Literal["guest", "host"], AnyCase()]
MINIMUM_KEY_BITS = 1024


class EncodeParams(ParameterGroup):
    """How raw writes an id, as FATE up to 1.6 names it; counts where with_encode is set."""

    salt: str = ""
    encode_method: Hash = "none"
    base64: bool = False


class RawParams(ParameterGroup):
    """How raw writes an id that it sends."""

    use_hash: bool = False
    salt: str = ""
    hash_method: Hash = "none"
    base64: bool = False
    join_role: Side = "guest"
    """Who receives the others' ids."""


class RsaParams(ParameterGroup):
    """Blind RSA signatures."""

    salt: str = ""
    hash_method: Hash = "sha256"
    """Of an id, before it is expanded to a number of the key's length."""
    final_hash_method: RealHash = "sha256"
    """Of a signature, before it is sent."""
    split_calculation: bool = False
    """Each side signs for one half of the ids, so that both share the work."""
    random_base_fraction: float | None = Field(None, ge=0, le=1)
    """At least this part of the ids is blinded by a number of its own. Every id is, whatever it says: the signer could
    divide two ids that share one, and try candidates on the quotient."""
    key_length: int = Field(2048, ge=MINIMUM_KEY_BITS, le=8192)
    random_bit: PositiveInt = 128
    """Least bits of a blinding number. They are uniform below the modulus: the signer, who can take roots, would
    recognise a short one behind the right candidate."""


class DhParams(ParameterGroup):
    """Diffie-Hellman modulo a safe prime."""

    salt: str = ""
    hash_method: Hash = "sha256"
    key_length: Literal[1024, 1536, 2048, 3072, 4096, 6144, 8192] = 2048
    """Bits of the prime: those of RFC 2409 (1024) and RFC 3526."""


class EcdhParams(ParameterGroup):
    """Diffie-Hellman in ristretto255, the group of prime order over curve25519."""

    salt: str = ""
    hash_method: Hash = "sha256"
    curve: Annotated[Literal["curve25519"], AnyCase()] = "curve25519"


class PreprocessParams(ParameterGroup):
    """The filter that takes out ids which the other side does not have."""

    false_positive_rate: float = Field(1e-3, gt=0, le=0.5)
    encrypt_method: Annotated[Literal["rsa"], AnyCase()] = "rsa"
    hash_method: Hash = "sha256"
    preprocess_method: RealHash = "sha256"
    preprocess_salt: str = ""
    random_state: int | None = None
    """Seed of the filter's hash functions; drawn if None."""
    filter_owner: Side = "guest"
    """Whose ids make the filter. The others learn which of their ids are probably among them."""


class CacheParams(ParameterGroup):
    """FATE up to 1.6; run_cache since. Without use_cache the others have no effect."""

    use_cache: bool = False
    id_type: str = "phone"
    """phone or imei, or a tag of the user's own."""
    encrypt_type: str = "sha256"

    @field_validator("use_cache")
    @classmethod
    def _no_shared_store(cls, value: bool) -> bool:
        if value:
            raise unavailable("the cache of FATE up to 1.6 is not supported: set run_cache and wire the cache's output")
        return value


class IntersectionParams(ModuleParams):
    """FATE's parameters. Without a method the ids meet in ristretto255, where FATE has rsa, and up to 1.4 raw."""

    intersect_method: Annotated[Literal["ecdh", "rsa", "dh", "raw", "spu_rr22", "spu_kkrt", "spu_ecdh"], AnyCase()] = (
        "ecdh"
    )
    """Those of spu_ run the library spu, which each party installs for itself."""
    sync_intersect_ids: bool = True
    """Whether hosts learn which of their rows are common."""
    only_output_key: bool = False
    """Hand on the ids alone."""
    join_method: Annotated[Literal["inner_join", "left_join"], AnyCase()] = "inner_join"
    """left_join keeps all rows of sample_id_generator; where another party has none, its columns are missing."""
    new_sample_id: bool = False
    """Rows get ids of their own, drawn by sample_id_generator, in place of the ids that were matched."""
    sample_id_generator: Side = "guest"

    ecdh_params: EcdhParams = Field(default_factory=EcdhParams)
    rsa_params: RsaParams = Field(default_factory=RsaParams)
    dh_params: DhParams = Field(default_factory=DhParams)
    raw_params: RawParams = Field(default_factory=RawParams)

    cardinality_only: bool = False
    """Count the common ids and hand on nothing."""
    sync_cardinality: bool = False
    """Whether the hosts learn the count."""
    cardinality_method: Annotated[Literal["ecdh", "dh", "rsa"], AnyCase()] = "ecdh"

    run_cache: bool = False
    """Blind or sign the hosts' ids for later jobs, and hand on a cache in place of rows."""
    intersect_cache_param: CacheParams = Field(default_factory=CacheParams)

    run_preprocess: bool = False
    intersect_preprocess_params: PreprocessParams = Field(default_factory=PreprocessParams)

    repeated_id_process: bool = False
    """Let repeated_id_owner have several rows of one id: the others' row stands beside each of them."""
    repeated_id_owner: Side = "guest"
    with_sample_id: bool = False
    """Rows of a repeated id get ids of their own, as with new_sample_id."""
    allow_info_share: bool = False
    info_owner: Side = "guest"

    # Of FATE up to 1.6, read into the parameters above.
    with_encode: bool = False
    encode_params: EncodeParams = Field(default_factory=EncodeParams)
    join_role: Side = "guest"
    random_bit: PositiveInt = 128

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "is_send_intersect_ids" not in value:
            return value
        given = dict(value)
        given.setdefault("sync_intersect_ids", given.pop("is_send_intersect_ids"))
        return given

    @field_validator("allow_info_share")
    @classmethod
    def _nothing_more(cls, value: bool) -> bool:
        if value:
            raise unavailable("handing other parties' columns along with the ids is not supported")
        return value

    @field_validator("cardinality_method")
    @classmethod
    def _unlinkable(cls, value: str) -> str:
        if value == "rsa":
            raise unavailable("signatures tell more than a count: use ecdh or dh")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> IntersectionParams:
        method = self.cardinality_method if self.cardinality_only else self.intersect_method
        if self.rsa_params.split_calculation and method == "rsa" and not self.sync_intersect_ids:
            raise ValueError("rsa_params.split_calculation tells each side half of the result: set sync_intersect_ids")
        if self.raw_join_role == "host" and method == "raw" and not self.sync_intersect_ids:
            raise ValueError("the hosts join raw ids, so they learn the result: set sync_intersect_ids")
        if self.run_preprocess and (self.cardinality_only or self.run_cache or not self.sync_intersect_ids):
            raise ValueError(
                "run_preprocess tells which ids are probably common: it goes only with sync_intersect_ids, and neither "
                "with cardinality_only nor with run_cache"
            )
        if self.run_cache and (
            method not in ("ecdh", "dh", "rsa") or self.cardinality_only or self.rsa_params.split_calculation
        ):
            raise ValueError("run_cache goes with ecdh, dh and rsa, not with cardinality_only or split_calculation")
        if self.join_method == "left_join" and not self.new_sample_id:
            raise unavailable("a left join would tell the others every id of one party: set new_sample_id")
        if (self.join_method == "left_join" or self.new_sample_id) and not self.sync_intersect_ids:
            raise ValueError("left_join and new_sample_id are agreed with the hosts: set sync_intersect_ids")
        return self

    @property
    def raw_join_role(self) -> str:
        """Who receives raw ids, whichever release's name the conf uses."""
        return "host" if "host" in (self.raw_params.join_role, self.join_role) else "guest"


INTERSECTION = ComponentSpec(
    module="Intersection",
    roles=frozenset({Role.GUEST, Role.HOST}),
    params=IntersectionParams,
    implementation="fate_components.intersection.component:Intersection",
    needs=frozenset({Role.GUEST, Role.HOST}),
    model_outputs=1,
    cache_outputs=1,
)
