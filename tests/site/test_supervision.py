"""supervisord's configuration, read by supervisord itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor.options import ServerOptions

from fate_federated.site.layout import SiteLayout
from fate_federated.site.supervision import Part, part_states, supervisor_conf


def _read(home: Path) -> Any:
    layout = SiteLayout(home)
    for folder in (layout.run, layout.logs):
        folder.mkdir(parents=True)
    layout.supervisor_conf.write_text(supervisor_conf(layout))
    options = ServerOptions()
    options.realize(["--configuration", str(layout.supervisor_conf)])
    return options


def test_every_part_is_a_program_that_is_restarted_and_stopped_with_its_children(tmp_path: Path) -> None:
    options = _read(tmp_path / "a site")
    processes = [process for group in options.process_group_configs for process in group.process_configs]
    assert {process.name for process in processes} == set(Part) - {Part.SERVING}
    for process in processes:
        assert process.autorestart
        assert process.stopasgroup
        assert process.killasgroup
        assert process.directory == str(tmp_path / "a site")
        assert process.stdout_logfile == str(tmp_path / "a site" / "logs" / f"{process.name}.log")
        assert process.stdout_logfile_maxbytes > 0
    gateway = next(process for process in processes if process.name == Part.GATEWAY)
    assert f"'{tmp_path / 'a site'}'" in gateway.command


def test_tasks_stop_before_what_they_report_to(tmp_path: Path) -> None:
    options = _read(tmp_path / "site")
    stopped = sorted(options.process_group_configs, key=lambda group: -group.priority)
    order = [{process.name for process in group.process_configs} for group in stopped]
    assert order == [{Part.SCHEDULER, Part.DAG_PROCESSOR, Part.TRIGGERER}, {Part.API_SERVER}, {Part.GATEWAY}]


def test_without_a_supervisord_no_part_has_a_state(tmp_path: Path) -> None:
    assert part_states(SiteLayout(tmp_path)) == {}
