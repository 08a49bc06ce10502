"""Concealed weights, and the guest's key to their scores, in a model."""

from __future__ import annotations

from gmpy2 import mpz

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.paillier import PrivateKey, PublicKey
from fate_components.sshe.concealed import WEIGHT_BITS, ConcealedPart
from fate_federated.errors import CryptoError, ModelError
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.model import Model
from fate_federated.wire.payload import Ciphertexts


def conceal(model: Model, part: ConcealedPart) -> Model:
    """A host's model with these weights and no others."""
    assert isinstance(model.param, pb.LRModelParam)  # noqa: S101 - the family's models are
    param = pb.LRModelParam()
    param.CopyFrom(model.param)
    param.ClearField("weight")
    param.ClearField("one_vs_rest_result")
    wire = part.weights.to_wire(WEIGHT_BITS)
    key = part.weights.key.to_wire()
    param.encrypted_weight.CopyFrom(
        pb.EncryptedWeights(
            n=key["n"], hn=key["hn"], exponent=wire.exponent, models=part.weights.shape[1], ciphertexts=bytes(wire.data)
        )
    )
    return Model(model.module, model.meta, param)


def concealed_part(model: Model | None, module: str) -> ConcealedPart | None:
    """The concealed weights of a host's model; None where it knows its weights.

    Raises:
        ModelError: they are damaged, or of another module.
    """
    if model is None or not isinstance(model.param, pb.LRModelParam) or not model.param.HasField("encrypted_weight"):
        return None
    if model.module != module:
        raise ModelError(f"{module} cannot apply a model of {model.module}.")
    saved, header = model.param.encrypted_weight, tuple(model.param.header)
    try:
        key = PublicKey.from_wire({"n": saved.n, "hn": saved.hn})
        shape = (len(header), saved.models)
        wire = Ciphertexts(key.fingerprint, saved.exponent, key.width_bytes, shape, saved.ciphertexts)
        return ConcealedPart(header, EncryptedArray.from_wire(wire, key, WEIGHT_BITS))
    except CryptoError as error:
        raise ModelError(f"The encrypted weights of a model of {module} are damaged: {error}") from error


def keep_key(model: Model, private: PrivateKey) -> Model:
    """A guest's model with the key that it needs to predict."""
    assert isinstance(model.param, pb.LRModelParam)  # noqa: S101 - the family's models are
    param = pb.LRModelParam()
    param.CopyFrom(model.param)
    half = private.public.plain_width_bytes
    param.encrypted_weight_key.CopyFrom(
        pb.PaillierPrivateKey(
            p=private.p.to_bytes(half, "big"), q=private.q.to_bytes(half, "big"), hn=private.public.to_wire()["hn"]
        )
    )
    return Model(model.module, model.meta, param)


def kept_key(model: Model | None) -> PrivateKey | None:
    """What :func:`keep_key` kept; None where it did not."""
    if model is None or not isinstance(model.param, pb.LRModelParam):
        return None
    if not model.param.HasField("encrypted_weight_key"):
        return None
    saved = model.param.encrypted_weight_key
    p, q = mpz.from_bytes(saved.p, "big"), mpz.from_bytes(saved.q, "big")
    return PrivateKey(PublicKey(p * q, mpz.from_bytes(saved.hn, "big")), p, q)
