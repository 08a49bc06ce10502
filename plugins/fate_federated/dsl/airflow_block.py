"""The optional ``airflow`` block of a conf: what Airflow has and FATE has not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from fate_federated.dsl.document import Document, Path, shorten
from fate_federated.dsl.findings import Findings, Written
from fate_federated.errors import InvalidParty
from fate_federated.party import Party


@dataclass(frozen=True, slots=True)
class JobModels:
    """The models that another job publishes at a party of this site.

    Attributes:
        job: its name.
        party: None for the initiator of the job that waits for them.
    """

    job: str
    party: Party | None = None


@dataclass(frozen=True, slots=True)
class AssetCondition:
    """Which events start a run.

    Attributes:
        every: all of the members are needed, else any of them will do.
        members: names or URIs of assets, models of jobs, and conditions.
    """

    every: bool
    members: tuple[str | JobModels | AssetCondition, ...]


Schedule = str | AssetCondition | None
"""A cron expression or preset, or a condition on assets."""


@dataclass(frozen=True, slots=True)
class FormParam:
    """A field of the form with which a person triggers the job.

    Attributes:
        given: it has a default of its own; else it is what the conf says at ``sets``.
        default: where a run says nothing.
        schema: keys of JSON Schema, such as type, title, description, enum, minimum.
        sets: path of the component parameter that it sets, empty for none.
    """

    given: bool = True
    default: Any = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    sets: Path = ()


@dataclass(frozen=True, slots=True)
class AirflowOptions:
    """The optional ``airflow`` block of a conf. What is None is as the site's Airflow has it."""

    schedule: Schedule = None
    tags: tuple[str, ...] = ()
    retries: int | None = None
    retry_delay_seconds: float | None = None
    pool: str | None = None
    params: Mapping[str, FormParam] = field(default_factory=dict)
    executor_config: Mapping[str, Any] = field(default_factory=dict)


_MAX_CRON_CHARACTERS = 500
_MAX_PARAMS, _MAX_PARAM_CHARACTERS = 100, 10_000
"""Of a form that a person is to fill: checking a default takes time by the square of its length."""


class AirflowText(Written):
    """The ``airflow`` block."""

    schedule: Any = None
    tags: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list)
    params: dict[str, Any] = Field(default_factory=dict, max_length=_MAX_PARAMS)
    retries: int | None = Field(None, ge=0, le=1000)
    retry_delay_seconds: float | None = Field(None, ge=0, le=86400)
    pool: str | None = Field(None, min_length=1, max_length=256)
    executor_config: dict[str, Any] = Field(default_factory=dict)


class ParamText(Written):
    """A param as an object; keys of JSON Schema beside these are passed on to Airflow."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    default: Any = None
    sets: str | None = None


SCHEMA_KEYS = frozenset(
    {
        "type", "title", "description", "description_md", "enum", "const", "examples", "values_display", "format",
        "section", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
        "maxLength", "pattern", "items", "minItems", "maxItems", "uniqueItems", "properties", "required",
        "additionalProperties", "anyOf", "oneOf", "allOf",
    }
)  # fmt: skip
"""What a param may say of its form beside ``default`` and ``sets``."""

SET_BY_FORM = "component_parameters"
_SCHEDULE = 'Write a cron expression, a preset such as @daily, {"all": [<asset>, …]} or {"any": [<asset>, …]}.'
_PRESETS = frozenset({"@once", "@continuous", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"})
_MAX_NESTING = 8


def read_airflow(conf: Document, findings: Findings) -> AirflowOptions:
    """The ``airflow`` block, or what holds without one."""
    at: Path = ("airflow",)
    text = findings.check_rest(AirflowText, conf, at, conf.value.get("airflow", {}))
    if text is None:
        return AirflowOptions()
    return AirflowOptions(
        schedule=_schedule(text.schedule, conf, (*at, "schedule"), findings),
        tags=tuple(text.tags),
        params={
            name: param
            for name, written in text.params.items()
            if (param := _param(written, conf, (*at, "params", name), findings))
        },
        retries=text.retries,
        retry_delay_seconds=text.retry_delay_seconds,
        pool=text.pool,
        executor_config=text.executor_config,
    )


def _schedule(value: Any, conf: Document, at: Path, findings: Findings) -> Schedule:
    if isinstance(value, str):
        if value not in _PRESETS and (reason := _not_cron(value)):
            findings.error(conf, at, f"{shorten(value)} is no schedule: {reason}", _SCHEDULE)
        return value
    if value is None:
        return None
    return _condition(value, conf, at, findings)


def _not_cron(expression: str) -> str:
    """Why something is no cron expression, as Airflow reads them; empty when it is one."""
    from croniter import CroniterBadCronError, CroniterBadDateError, croniter

    if len(expression) > _MAX_CRON_CHARACTERS:
        return f"it has {len(expression)} characters, and {_MAX_CRON_CHARACTERS} are the most"
    try:
        croniter(expression).get_next()
    except (CroniterBadCronError, CroniterBadDateError) as error:
        return str(error).rstrip(".")
    return ""


def _condition(value: Any, conf: Document, at: Path, findings: Findings, depth: int = 0) -> AssetCondition | None:
    if isinstance(value, list):
        value = {"all": value}
        inside = at
    elif isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("all", "any", "assets"):
        inside = (*at, next(iter(value)))
    else:
        findings.error(conf, at, f"{shorten(value)} is no schedule", _SCHEDULE)
        return None
    word, members = next(iter(value.items()))
    found: list[str | JobModels | AssetCondition] = []
    if not isinstance(members, list) or not members or depth > _MAX_NESTING:
        findings.error(conf, inside, "a condition is a list of assets", _SCHEDULE)
        return None
    for index, member in enumerate(members):
        place: Path = (*inside, index)
        if isinstance(member, str) and member:
            found.append(member)
        elif isinstance(member, dict) and "job" in member:
            models = _models(member, conf, place, findings)
            found += [models] if models else []
        else:
            condition = _condition(member, conf, place, findings, depth + 1)
            found += [condition] if condition else []
    return AssetCondition(word != "any", tuple(found))


def _models(value: dict[str, Any], conf: Document, at: Path, findings: Findings) -> JobModels | None:
    job, party = value["job"], value.get("party")
    remedy = 'Write {"job": "<name>"}, or {"job": "<name>", "party": "guest-9999"}.'
    if set(value) - {"job", "party"} or not isinstance(job, str) or not job:
        findings.error(conf, at, f"{shorten(value)} does not name a job's models", remedy)
        return None
    if party is None:
        return JobModels(job)
    try:
        return JobModels(job, Party.parse(str(party)))
    except InvalidParty:
        findings.error(conf, (*at, "party"), f"{shorten(party)} is not a party", remedy)
        return None


def _param(value: Any, conf: Document, at: Path, findings: Findings) -> FormParam | None:
    if not isinstance(value, dict):
        return FormParam(default=value)
    text = findings.check(ParamText, conf, at, value)
    if text is None:
        return None
    size = len(json.dumps(value))
    if size > _MAX_PARAM_CHARACTERS:
        message = f"a param of {size} characters is more than a form can show"
        findings.error(conf, at, message, f"Up to {_MAX_PARAM_CHARACTERS} can.")
        return None
    schema = dict(text.model_extra or {})
    for key in set(schema) - SCHEMA_KEYS:
        remedy = 'A value that is an object is written {"default": {…}}.'
        findings.error(conf, (*at, key), f"{shorten(key)} says nothing of a param", remedy)
    sets = tuple(part.replace("~1", "/").replace("~0", "~") for part in (text.sets or "").split("/")[1:])
    if text.sets is not None and (not sets or sets[0] != SET_BY_FORM):
        remedy = f"Write /{SET_BY_FORM}/common/<component>/<parameter>, or /{SET_BY_FORM}/role/<role>/<index>/…"
        findings.error(conf, (*at, "sets"), f"{shorten(text.sets)} is no place of a component's parameter", remedy)
        return None
    return FormParam("default" in value, text.default, schema, sets)


def airflow_block_text(options: AirflowOptions) -> dict[str, Any]:
    """The block that reads as these options; empty where there is nothing to say."""
    block = {
        "schedule": _schedule_text(options.schedule),
        "tags": list(options.tags),
        "params": {name: _param_text(param) for name, param in options.params.items()},
        "retries": options.retries,
        "retry_delay_seconds": options.retry_delay_seconds,
        "pool": options.pool,
        "executor_config": dict(options.executor_config),
    }
    return {key: value for key, value in block.items() if value not in (None, [], {})}


def _schedule_text(schedule: Schedule) -> Any:
    if not isinstance(schedule, AssetCondition):
        return schedule
    return {"all" if schedule.every else "any": [_member_text(member) for member in schedule.members]}


def _member_text(member: str | JobModels | AssetCondition) -> Any:
    if isinstance(member, JobModels):
        return {"job": member.job} | ({} if member.party is None else {"party": str(member.party)})
    return _schedule_text(member)


def _param_text(param: FormParam) -> Any:
    text: dict[str, Any] = dict(param.schema)
    if param.given:
        text["default"] = param.default
    if param.sets:
        text["sets"] = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in param.sets)
    return param.default if set(text) == {"default"} and not isinstance(param.default, dict) else text
