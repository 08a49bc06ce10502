"""Prediction that tells the guest a row's score and not which way the row goes at a host (EINI).

Chen, Zhou, Yang, Fan, Feng, Chen, Wang, Wang 2021, "Fed-EINI: An efficient and interpretable inference framework for
decision tree ensembles in federated learning", arXiv:2105.09540. Leaves that ask the same of the hosts are one route:
the guest knows which of them a row can reach at all. It encrypts each row's weight on every route under a key of its
own; a host strikes out the routes that the row does not take at its nodes; the last host adds up the rest, and the
guest decrypts the sum over all trees.

A host learns of its own nodes which lie on one path. Of ciphertexts it can tell neither weights nor the routes that are
struck out already: hosts randomise what they hand on. The guest learns the sum alone. With few trees it may guess the
summands from the sum: ``EINI_complexity_check`` has hosts refuse models whose sums can come about in too few ways, and
``EINI_random_mask`` has the last host multiply all sums by one positive number, so that their order and signs remain,
and with these the predicted classes, but no probability.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.paillier import PrivateKey, PublicKey, generate_keypair
from fate_components.crypto.slots import unpack_integers
from fate_components.secureboost.model import Bits, Floats, Forest, HostForest, Integers, Tree
from fate_components.secureboost.spec import HeteroSecureBoostParams
from fate_federated.errors import CryptoError, MessageRejected, ModelError
from fate_federated.party import Role
from fate_federated.task.context import TaskContext
from fate_federated.wire.payload import Wire

VALUE_BITS = 60
"""Precision of the largest sum."""
MASK_BITS = 20
SLOT_BITS = VALUE_BITS + MASK_BITS + 2
LEAST_WAYS_BITS = 64
"""With EINI_complexity_check sums come about in at least 2**64 ways at each host: so many would have to be tried."""
CIPHERTEXTS = 1 << 14
"""Ciphertexts that are sent at once."""

Condition = tuple[int, int, int, bool]
"""Tree, site, node, and whether the row goes left there."""


@dataclass(frozen=True, slots=True)
class Routes:
    """What leaves ask of hosts.

    Attributes:
        conditions: of each route; none of the first, which every row takes.
        of_leaves: for each tree, leaves and their routes.
    """

    conditions: tuple[tuple[Condition, ...], ...]
    of_leaves: tuple[dict[int, int], ...]

    @classmethod
    def of(cls, forest: Forest) -> Routes:
        """Of all trees."""
        places: dict[tuple[Condition, ...], int] = {(): 0}
        of_leaves = []
        for number, tree in enumerate(forest.trees):
            of_tree = {}
            for leaf, path in _paths(tree):
                asked = tuple((number, int(tree.owner[node]), node, left) for node, left in path if tree.owner[node])
                of_tree[leaf] = places.setdefault(asked, len(places))
            of_leaves.append(of_tree)
        return cls(tuple(places), tuple(of_leaves))

    def of_site(self, site: int) -> Integers:
        """What one host is asked, shape (conditions, 4): route, tree, node, and 1 for left."""
        asked = [
            (route, tree, node, left)
            for route, conditions in enumerate(self.conditions)
            for tree, owner, node, left in conditions
            if owner == site
        ]
        return np.array(asked, dtype=np.int64).reshape(-1, 4)


def _paths(tree: Tree) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
    """Leaves, with the nodes above them and whether the way goes left there."""
    waiting: list[tuple[int, list[tuple[int, bool]]]] = [(0, [])]
    while waiting:
        node, path = waiting.pop()
        if tree.owner[node] < 0:
            yield node, path
            continue
        waiting.append((int(tree.right[node]), [*path, (node, False)]))
        waiting.append((int(tree.left[node]), [*path, (node, True)]))


def weights_on_routes(forest: Forest, routes: Routes, features: Floats) -> Floats:
    """What each row's score gains on each route, shape (rows, routes, dimensions).

    Args:
        features: the guest's.
    """
    found = np.zeros((len(features), len(routes.conditions), forest.dimensions))
    found[:, 0] = forest.start
    for number, tree in enumerate(forest.trees):
        left = dict(zip(tree.own.nodes.tolist(), tree.own.goes_left(features).T, strict=True))
        for leaf, path in _paths(tree):
            reached = np.ones(len(features), dtype=np.bool_)
            for node, goes_left in path:
                if node in left:
                    reached &= left[node] == goes_left
            weight = forest.learning_rate * tree.weight[leaf]
            found[reached, routes.of_leaves[number][leaf], forest.dimensions_of(number)] += weight
    return found


@dataclass(frozen=True, slots=True)
class Packing:
    """Dimensions in one plaintext: Σ_j integer_j * 2**(SLOT_BITS * j), times 2**exponent the numbers meant."""

    dimensions: int
    width: int
    exponent: int

    @classmethod
    def of(cls, forest: Forest, key_bits: int) -> Packing:
        """For sums of a forest.

        Raises:
            CryptoError: the key is too short.
        """
        most = (key_bits - 2) // SLOT_BITS
        if most < 1:
            raise CryptoError(f"A key of {key_bits} bits has no room for scores of {SLOT_BITS}.")
        largest = np.abs(forest.start).max(initial=0.0) + forest.learning_rate * sum(
            float(np.abs(tree.weight).max(initial=0.0)) for tree in forest.trees
        )
        dimensions = forest.dimensions
        return cls(dimensions, -(-dimensions // -(-dimensions // most)), int(np.frexp(largest)[1]) - VALUE_BITS)

    @property
    def parts(self) -> int:
        """Ciphertexts of a row on a route."""
        return -(-self.dimensions // self.width)

    @property
    def bits(self) -> int:
        """No plaintext has more before it is masked."""
        return VALUE_BITS + 1 + SLOT_BITS * (self.width - 1)

    def encrypted(self, key: PrivateKey, values: Floats) -> EncryptedArray:
        """Values, shape (..., dimensions), as ciphertexts, shape (..., parts)."""
        integers = np.rint(np.ldexp(values, -self.exponent)).astype(np.int64).astype(object)
        plain = np.zeros((*values.shape[:-1], self.parts), dtype=object)
        for dimension in range(self.dimensions):
            part, place = divmod(dimension, self.width)
            plain[..., part] += integers[..., dimension] * (1 << SLOT_BITS * place)
        return EncryptedArray.encrypt(key, FixedPoint(plain, 0)).bounded(1 << self.bits)

    def read(self, sums: EncryptedArray, key: PrivateKey, *, masked: bool) -> Floats:
        """Sums of shape (rows, parts) as numbers, shape (rows, dimensions)."""
        half = key.public.n // 2
        integers = []
        for value in sums.decrypt_residues(key).ravel().tolist():
            integers += unpack_integers(value - key.public.n if value > half else value, self.width, SLOT_BITS)
        exponent = self.exponent - (MASK_BITS if masked else 0)
        numbers: Floats = np.ldexp(np.array([float(value) for value in integers]), exponent)
        numbers = numbers.reshape(len(sums), -1)
        return numbers[:, : self.dimensions]


def hidden_scores(ctx: TaskContext, forest: Forest, features: Floats, params: HeteroSecureBoostParams) -> Floats:
    """The guest's part: scores, shape (rows, dimensions), masked where that is wanted.

    Raises:
        ModelError: the model needs a host that takes no part.
        CryptoError, MessageRejected: a host sends something else than was agreed.
    """
    hosts = list(ctx.hosts)
    names = [f"{host.party.role}:{host.party.party_id}" for host in hosts]
    if unknown := [site for site in forest.sites[1:] if site not in names]:
        raise ModelError(f"The model needs {', '.join(unknown)}, which takes no part.")
    private = generate_keypair(params.encrypt_param.key_length)
    routes, packing = Routes.of(forest), Packing.of(forest, private.public.bits)
    count = len(routes.conditions)
    for name, host in zip(names, hosts, strict=True):
        site = forest.sites.index(name) if name in forest.sites else -2
        told: dict[str, Wire] = {"routes": count, "parts": packing.parts, "bits": packing.bits}
        told |= {"conditions": routes.of_site(site), "public_key": private.public.to_wire()}
        host.push("routes", told)
    for number, rows in enumerate(_batches(len(features), count * packing.parts)):
        values = packing.encrypted(private, weights_on_routes(forest, routes, features[rows]))
        hosts[0].push("weights", values.to_wire(packing.bits), number)
    scores = [np.empty((0, forest.dimensions))]
    for number, rows in enumerate(_batches(len(features), count * packing.parts)):
        answer_bits = _answer_bits(packing.bits, params)
        sums = EncryptedArray.from_wire(hosts[-1].pull("scores", number), private.public, answer_bits)
        if sums.shape != (rows.stop - rows.start, packing.parts):
            raise MessageRejected(f"{hosts[-1].party} sent something else than the scores of rows.")
        scores.append(packing.read(sums, private, masked=params.EINI_random_mask))
    return np.concatenate(scores)


def strike_out(ctx: TaskContext, forest: HostForest, features: Floats, params: HeteroSecureBoostParams) -> None:
    """A host's part.

    Raises:
        ModelError: the model is too simple, or not the guest's.
        CryptoError, MessageRejected: a party sends something else than was agreed.
    """
    hosts = [party for party in ctx.participants if party.role is Role.HOST]
    peers = {peer.party: peer for peer in ctx.hosts}
    place = hosts.index(ctx.party)
    before = ctx.guest if place == 0 else peers[hosts[place - 1]]
    after = None if place == len(hosts) - 1 else peers[hosts[place + 1]]
    match ctx.guest.pull("routes"):
        case {
            "routes": int() as count, "parts": int() as parts, "bits": int() as bits,
            "conditions": np.ndarray() as conditions, "public_key": key_message,
        } if count > 0 and parts > 0 and bits > 0:  # fmt: skip
            key = PublicKey.from_wire(key_message)
        case _:
            raise MessageRejected("A message does not hold the routes of a model.")
    if params.EINI_complexity_check:
        _check_complexity(conditions, len(forest.trees))
    # One factor for all rows, or their order would be lost.
    mask = secrets.randbelow(1 << MASK_BITS) + 1 if params.EINI_random_mask else 1
    for number, rows in enumerate(_batches(len(features), count * parts)):
        taken = _taken(forest, features[rows], conditions, count)
        values = EncryptedArray.from_wire(before.pull("weights", number), key, bits)
        if values.shape != (*taken.shape, parts) or values.exponent:
            raise MessageRejected(f"{before.party} sent something else than weights of rows on routes.")
        # A row takes one route in each tree, so that what is left is no larger than it was.
        kept = (values * taken[:, :, None]).bounded(1 << bits)
        if after is not None:
            after.push("weights", kept.to_wire(bits), number)
            continue
        sums = kept.sum(axis=1).bounded(1 << bits)
        if params.EINI_random_mask:
            sums = sums * FixedPoint(np.array(mask, dtype=object), 0)
        ctx.guest.push("scores", sums.to_wire(_answer_bits(bits, params)), number)


def _answer_bits(bits: int, params: HeteroSecureBoostParams) -> int:
    return bits + MASK_BITS if params.EINI_random_mask else bits


def _taken(forest: HostForest, features: Floats, conditions: Integers, count: int) -> Bits:
    """Whether a row can take a route as far as this host knows, shape (rows, routes).

    Raises:
        ModelError: the guest's routes are not those of this host's model.
    """
    foreign = ModelError("The guest's model does not belong to this party's.")
    if conditions.dtype != np.int64 or conditions.ndim != 2 or conditions.shape[1] != 4:
        raise MessageRejected("A message does not hold the routes of a model.")
    taken = np.ones((len(features), count), dtype=np.bool_)
    for number in np.unique(conditions[:, 1]).tolist():
        if not 0 <= number < len(forest.trees):
            raise foreign
        splits = forest.trees[number]
        left = dict(zip(splits.nodes.tolist(), splits.goes_left(features).T, strict=True))
        for route, _, node, goes_left in conditions[conditions[:, 1] == number].tolist():
            if node not in left or not 0 <= route < count:
                raise foreign
            taken[:, route] &= left[node] == bool(goes_left)
    return taken


def _check_complexity(conditions: Integers, trees: int) -> None:
    """Refuse a model whose sums tell which routes they are of.

    Raises:
        ModelError: it is one.
    """
    ways = [len(np.unique(conditions[conditions[:, 1] == number, 0])) for number in range(trees)]
    found = sum(math.log2(count) for count in ways if count)
    if found < LEAST_WAYS_BITS:
        raise ModelError(
            f"A score can come about in 2^{found:.0f} ways at this host: the guest could try them all. "
            f"EINI_complexity_check wants 2^{LEAST_WAYS_BITS}: train more or deeper trees, or set it to false."
        )


def _batches(rows: int, of_row: int) -> Iterator[slice]:
    size = max(CIPHERTEXTS // of_row, 1)
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
