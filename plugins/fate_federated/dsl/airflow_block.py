"""The optional ``airflow`` block of a conf: what Airflow has and FATE has not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from fate_federated.dsl.document import Document
from fate_federated.dsl.findings import Findings, Written


@dataclass(frozen=True, slots=True)
class AirflowOptions:
    """The optional ``airflow`` block of a conf. What is None is as the site's Airflow has it."""

    schedule: str | None = None
    tags: tuple[str, ...] = ()
    retries: int | None = None
    retry_delay_seconds: float | None = None
    pool: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    executor_config: Mapping[str, Any] = field(default_factory=dict)


class AirflowText(Written):
    """The ``airflow`` block."""

    schedule: str | None = None
    tags: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list)
    params: dict[str, Any] = Field(default_factory=dict)
    retries: int | None = Field(None, ge=0, le=1000)
    retry_delay_seconds: float | None = Field(None, ge=0, le=86400)
    pool: str | None = Field(None, min_length=1, max_length=256)
    executor_config: dict[str, Any] = Field(default_factory=dict)


def read_airflow(conf: Document, findings: Findings) -> AirflowOptions:
    """The ``airflow`` block, or what holds without one."""
    text = findings.check(AirflowText, conf, ("airflow",), conf.value.get("airflow", {}))
    if text is None:
        return AirflowOptions()
    return AirflowOptions(
        schedule=text.schedule,
        tags=tuple(text.tags),
        params=text.params,
        retries=text.retries,
        retry_delay_seconds=text.retry_delay_seconds,
        pool=text.pool,
        executor_config=text.executor_config,
    )


def airflow_block_text(options: AirflowOptions) -> dict[str, Any]:
    """The block that reads as these options; empty where there is nothing to say."""
    block = {
        "schedule": options.schedule,
        "tags": list(options.tags),
        "params": dict(options.params),
        "retries": options.retries,
        "retry_delay_seconds": options.retry_delay_seconds,
        "pool": options.pool,
        "executor_config": dict(options.executor_config),
    }
    return {key: value for key, value in block.items() if value not in (None, [], {})}
