"""What gateways tell each other survives the way, and what cannot be read is refused."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from fate_federated import errors
from fate_federated.party import Party, Role
from fate_federated.pb import attempts_pb2, exchange_pb2, federation_pb2, jobs_pb2, site_pb2, tables_pb2, tracking_pb2
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.wire import convert
from fate_federated.wire import records as r
from fate_federated.wire.faults import fault_in, fault_out

names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=32)
texts = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\xa0\u3000"), max_size=40).map(
    lambda text: "".join(character for character in text if character.isprintable())
)
numbers = st.integers(0, 2**31 - 1)
sizes = st.integers(0, 2**63 - 1)
times = st.floats(0, 4e9)
job_ids = st.from_regex(r"[0-9]{1,32}", fullmatch=True)
digests = st.binary(min_size=32, max_size=32)
parties = st.builds(Party, st.sampled_from(Role), st.from_regex(r"[0-9A-Za-z_]{1,8}", fullmatch=True))
tasks = st.builds(r.TaskRef, job_ids, names)
files = st.builds(r.JobFiles, names, st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
seats = st.builds(r.PartyPresence, parties, st.booleans(), st.sampled_from(Presence), texts)
statuses = st.sampled_from(JobStatus)
attempts = st.builds(
    r.Attempt,
    tasks,
    st.integers(1, 2**31 - 1),
    st.sampled_from(AttemptState),
    texts,
    st.lists(seats, max_size=3).map(tuple),
    sizes,
    times,
    times,
    times,
    st.booleans(),
)
json_values = st.dictionaries(
    names, st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9)), max_size=3
)
metrics = st.builds(r.Metric, names, names, json_values, st.lists(st.tuples(times, times), max_size=4).map(tuple))
states = st.builds(r.TaskState, names, numbers, st.sampled_from(AttemptState), texts, times, times, times)
CASES = [
    (convert.party_out, convert.party_in, parties),
    (convert.task_out, convert.task_in, tasks),
    (convert.files_out, convert.files_in, files),
    (
        convert.job_out,
        convert.job_in,
        st.builds(
            r.Job,
            job_ids,
            names,
            names,
            parties,
            st.lists(st.builds(r.JobParty, parties, names, statuses), max_size=3).map(tuple),
            statuses,
            texts,
            times,
            times,
            st.lists(states, max_size=2).map(tuple),
            st.none() | files,
        ),
    ),
    (convert.attempt_out, convert.attempt_in, attempts),
    (
        convert.table_out,
        convert.table_in,
        st.builds(
            r.TableRecord,
            names,
            names,
            texts,
            sizes,
            texts,
            st.lists(st.builds(r.Column, texts, texts), max_size=3).map(tuple),
            sizes,
            times,
        ),
    ),
    (convert.metric_out, convert.metric_in, metrics),
    (
        convert.task_metrics_out,
        convert.task_metrics_in,
        st.builds(
            r.TaskMetrics, tasks, numbers, parties, st.lists(metrics, max_size=2).map(tuple), st.none() | json_values
        ),
    ),
    (
        convert.output_out,
        convert.output_in,
        st.builds(
            r.Output,
            tasks,
            numbers,
            parties,
            st.sampled_from(["data", "model"]),
            names,
            texts,
            sizes,
            st.lists(texts, max_size=3).map(tuple),
            texts,
        ),
    ),
    (
        convert.header_out,
        convert.header_in,
        st.builds(
            r.Header, tasks, numbers, parties, parties, names, names, texts, st.binary(max_size=9), sizes, digests
        ),
    ),
    (convert.address_out, convert.address_in, st.builds(r.Address, tasks, numbers, parties, parties, names)),
    (
        convert.egress_out,
        convert.egress_in,
        st.builds(
            r.EgressRecord,
            sizes,
            tasks,
            numbers,
            parties,
            parties,
            names,
            names,
            texts,
            sizes,
            digests,
            times,
            st.booleans(),
        ),
    ),
    (convert.order_out, convert.order_in, st.builds(r.JobOrder, job_ids, names, parties, files)),
    (convert.end_out, convert.end_in, st.builds(r.JobEnd, job_ids, parties, statuses, texts, st.booleans())),
    (convert.report_out, convert.report_in, st.builds(r.JobReport, job_ids, parties, statuses, texts)),
    (convert.verdict_out, convert.verdict_in, st.builds(r.JobVerdict, statuses, texts)),
    (
        convert.update_out,
        convert.update_in,
        st.builds(
            r.PresenceUpdate,
            tasks,
            numbers,
            st.builds(lambda seat, instance: replace(seat, instance=instance), seats, names),
            st.lists(parties, max_size=3).map(tuple),
            parties,
        ),
    ),
    (
        convert.site_out,
        convert.site_in,
        st.builds(
            r.SiteDescription,
            names,
            st.lists(parties, max_size=2).map(tuple),
            texts,
            texts,
            st.lists(st.builds(r.Peer, texts, st.lists(parties, max_size=2).map(tuple)), max_size=2).map(tuple),
        ),
    ),
]


@pytest.mark.parametrize(("out", "back", "values"), CASES, ids=lambda case: getattr(case, "__name__", ""))
@given(data=st.data())
def test_a_record_survives_the_way(out, back, values, data) -> None:
    record = data.draw(values)
    message: Message = out(record)
    assert back(type(message).FromString(message.SerializeToString())) == record


@pytest.mark.parametrize(
    ("message", "back"),
    [
        (attempts_pb2.Attempt, convert.attempt_in),
        (exchange_pb2.MessageHeader, convert.header_in),
        (exchange_pb2.PullRequest, convert.address_in),
        (federation_pb2.CreateJobRequest, convert.order_in),
        (federation_pb2.EndJobRequest, convert.end_in),
        (federation_pb2.PresenceUpdate, convert.update_in),
        (jobs_pb2.Job, convert.job_in),
        (site_pb2.SiteDescription, convert.site_in),
        (tables_pb2.Table, convert.table_in),
        (tracking_pb2.Output, convert.output_in),
        (tracking_pb2.TaskMetrics, convert.task_metrics_in),
    ],
)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_record_or_are_refused(message, back, data) -> None:
    try:
        parsed = message.FromString(data)
    except DecodeError:
        return
    with contextlib.suppress(errors.MessageRejected):
        back(parsed)


def test_the_instance_is_told_to_nobody_but_the_coordinator() -> None:
    seat = r.PartyPresence(Party.parse("host-1"), True, Presence.JOINED, "", "dag/run/task/try")
    assert b"dag/run" not in convert.presence_out(seat).SerializeToString()


def test_a_reason_from_elsewhere_is_cut_and_cannot_disturb_a_log() -> None:
    assert convert.detail_in("a\r\n\x1b[31mb\x00") == "a \n [31mb "
    assert len(convert.detail_in("x" * 10_000)) == convert.MAX_DETAIL


@pytest.mark.parametrize(
    "error",
    [
        errors.TableNotFound("experiment", "breast"),
        errors.JobNotFound("2026"),
        errors.PartyUnreachable(Party.parse("host-1"), "b:9370"),
        errors.AccessDenied("no"),
        errors.JobError("so"),
        errors.MessageRejected("why"),
        errors.AttemptFailed("host-1: why"),
        errors.AttemptCanceled("by Ada"),
        errors.DataError("there"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_arrives_as_itself(error: errors.FateFederatedError) -> None:
    arrived = fault_in(fault_out(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)


def test_an_error_of_a_kind_without_its_own_way_arrives_as_its_nearest() -> None:
    assert type(fault_in(fault_out(errors.SiteError("no Airflow")))) is errors.ConfigError
    assert type(fault_in(fault_out(errors.DslError.at("/a", "no")))) is errors.JobError
    assert type(fault_in(fault_out(errors.CryptoError("key")))) is errors.TransportError


@given(st.binary(max_size=60))
def test_a_fault_that_cannot_be_read_is_an_error_all_the_same(data: bytes) -> None:
    assert isinstance(fault_in(data), errors.FateFederatedError)
