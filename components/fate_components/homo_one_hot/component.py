"""The same columns of categories at all parties."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fate_components.columns import chosen_columns
from fate_components.homo_one_hot.sealing import KEY_BITS, from_wire, make_key, seal, to_wire, unseal
from fate_components.homo_one_hot.spec import HomoOneHotEncoderParams
from fate_components.one_hot_encoder.component import PARAMETERS, columns_map, encoded_table
from fate_components.one_hot_encoder.fit import check_limit, checked_encoding, learn_categories
from fate_components.one_hot_encoder.model import Encoding, encoding_of, in_order
from fate_components.tables import input_table
from fate_federated.errors import DataError, MessageRejected
from fate_federated.pb.model import one_hot_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model

log = logging.getLogger(__name__)

Categories = dict[str, tuple[str, ...]]


class HomoOneHotEncoder(Component[HomoOneHotEncoderParams]):
    """One-hot encoding of columns that all parties have, by the categories of all of them (``need_alignment``).

    The guest draws a key and sends it to the hosts. Guest and hosts send the arbiter their pairs of column and
    category, each encrypted by itself with deterministic authenticated encryption (AES-SIV, RFC 5297) and padded; the
    arbiter sends back all that it received, each once. With a model, or without alignment, nothing but that is said.

    - The arbiter learns how many categories each party has, how many of them which parties share, and each length
      rounded up to 32 bytes. It learns neither column nor category, and cannot try likely ones, unless a party gives
      it the key.
    - Guest and hosts learn the categories of all parties, which is what they ask for, and not whose each is. Of two
      parties each can tell.

    FATE sends the arbiter the categories in clear.
    """

    Params = HomoOneHotEncoderParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        aligns = inputs.model is None and self.params.need_alignment
        ctx.arbiter.push("aligns", aligns)
        key = make_key() if aligns else b""
        ctx.hosts.push("category_key", key)
        return self._run(ctx, inputs, key)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        key = ctx.guest.pull("category_key")
        if not isinstance(key, bytes) or len(key) not in (0, KEY_BITS // 8):
            raise MessageRejected(f"{ctx.guest.party} sent something other than a key.")
        if bool(key) != (inputs.model is None and self.params.need_alignment):
            raise DataError(f"{ctx.party} and {ctx.guest.party} differ in need_alignment, or only one has a model.")
        return self._run(ctx, inputs, key)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if ctx.guest.pull("aligns") is True:
            peers = (*ctx.guests, *ctx.hosts)
            everything = set[bytes]().union(*(from_wire(peer.pull("categories")) for peer in peers))
            log.info("%d categories at %d parties", len(everything), len(peers))
            for peer in peers:
                peer.push("all_categories", to_wire(everything))
        return Outputs()

    def _run(self, ctx: TaskContext, inputs: Inputs, key: bytes) -> Outputs:
        table = input_table(ctx, inputs)
        if inputs.model is not None:
            return Outputs((encoded_table(ctx, table, encoding_of(inputs.model)),), inputs.model)
        header = table.feature_names
        indexes, names = self.params.transform_col_indexes, self.params.transform_col_names
        categories = learn_categories(table, chosen_columns(header, indexes, names, PARAMETERS))
        if key:
            categories = _aligned(ctx, key, categories)
        encoding = checked_encoding(header, categories)
        return Outputs((encoded_table(ctx, table, encoding),), self._model(header, encoding))

    def _model(self, header: Sequence[str], encoding: Encoding) -> Model:
        meta = pb.OHEAlignmentMeta(
            transform_col_names=encoding.categories,
            header=header,
            need_run=self.params.need_run,
            need_alignment=self.params.need_alignment,
        )
        param = pb.OHEAlignmentParam(col_map=columns_map(encoding), result_header=encoding.result_header)
        return Model("HomoOneHotEncoder", meta, param)


def _aligned(ctx: TaskContext, key: bytes, own: Categories) -> Categories:
    """The categories of all parties."""
    sealed = seal(key, own)
    ctx.arbiter.push("categories", to_wire(sealed))
    everything = from_wire(ctx.arbiter.pull("all_categories"))
    if not sealed <= everything:
        raise MessageRejected("The arbiter left out categories of this party.")
    found = unseal(key, everything)
    foreign = sorted(found.keys() - own.keys())
    if foreign:
        raise DataError(f"Another party encodes columns that {ctx.party} does not: {', '.join(foreign)}.")
    categories = {column: in_order(found[column]) for column in own}
    check_limit(categories)
    return categories
