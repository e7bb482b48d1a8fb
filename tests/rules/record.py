"""Records the samples beside the rules: `python -m tests.rules.record [RULE…]`, as root, with the tools installed.

Each step is typed in a sandbox of its own while the real helper and sensors watch; what they yield of it becomes
the sample, unchanged. Names of accounts are looked up in a private /etc/passwd that has the sandbox's account.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.agent.helper.audit_state import audit_alone
from tests.rules.samples import MAINTENANCE, ORDINARY_SESSION, RULES, write
from tests.rules.sandbox import ACCOUNT, Sandbox
from tests.rules.steps.catalogue import STEPS
from tests.rules.steps.ordinary import MAINTENANCE_LINES, ORDINARY_LINES
from tests.rules.steps.step import Step
from tests.rules.watch import Watch
from wire.event import Event

MARK = "the-last-line"
PRIVATE_ACCOUNTS = f"""
mount --make-rprivate /
mount -t tmpfs accounts /mnt
mkdir /mnt/changes /mnt/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/changes,workdir=/mnt/work /etc
umount --lazy /mnt
useradd --no-create-home --shell /bin/bash {ACCOUNT}
exec "$@"
"""


def main(wanted: list[str]) -> int:
    """Record the samples of the rules named, of all without a name; `ordinary` is the ordinary session."""
    if os.environ.get("LIENPHONG_PRIVATE_ACCOUNTS") is None:
        again = [sys.executable, "-m", "tests.rules.record", *wanted]
        environment = {**os.environ, "LIENPHONG_PRIVATE_ACCOUNTS": "1"}
        command = ["unshare", "--mount", "sh", "-ec", PRIVATE_ACCOUNTS, "sh", *again]
        return subprocess.run(command, env=environment, check=False).returncode
    with audit_alone(), tempfile.TemporaryDirectory(prefix="lienphong-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o711)
        logs = directory / "log"
        logs.mkdir()
        with Watch(directory, logs) as watch:
            empty = [_record(watch, logs, step) for step in STEPS if not wanted or step.rule in wanted]
            if not wanted or "ordinary" in wanted:
                write(ORDINARY_SESSION, typed(watch, logs, ORDINARY_LINES, log=True))
                write(MAINTENANCE, _distinct(typed(watch, logs, MAINTENANCE_LINES, log=False)))
    return int(not all(empty))


def typed(watch: Watch, logs: Path, lines: Sequence[str], log: bool, watched: Sequence[str] = ()) -> list[Event]:
    """What the sensors saw from the first line typed to the last one's effect; with `log`, also what logs say;
    with `watched`, also what was written to these directories."""
    before = len(watch.events)
    with Sandbox(logs) as sandbox:
        sandbox.watch(watched)
        sandbox.type(lines)
        if log:
            sandbox.type([f"logger -p auth.info -t su {MARK}"])
            watch.wait_for(
                lambda: any(MARK in (event.raw or "") for event in watch.events[before:]), "the last log line"
            )
        watch.settle()
    found = [
        event
        for event in watch.events[before:]
        if event.fields.get("LogonId") == sandbox.session or (log and event.origin == "log")
    ]
    shell = next(event for event in found if str(event.fields.get("CommandLine")).startswith("-bash "))
    return [event for event in found if event.time > shell.time and MARK not in (event.raw or _command(event))]


def _record(watch: Watch, logs: Path, step: Step) -> bool:
    try:
        seen = typed(watch, logs, step.typed, step.log, step.watched)
    except AssertionError as error:
        print(f"{step.rule} {step.sample}: {error}", flush=True)
        return False
    events = [event for event in seen if re.search(step.about, _sample_text(step, event))]
    print(f"{step.rule} {step.sample}: {len(events)} events", flush=True)
    (rule,) = RULES.rglob(f"{step.rule}.yml")
    if events:
        write(rule.with_suffix("") / f"{step.sample}.jsonl", events)
    return bool(events)


def _sample_text(step: Step, event: Event) -> str:
    """What `about` of a step is looked for in; empty for what is not of the step's kind."""
    if step.log:
        return event.raw or ""
    if step.watched:
        return str(event.fields.get("TargetFilename", ""))
    return _command(event)


def _distinct(events: Iterable[Event]) -> list[Event]:
    """Each program, command line and parent once: packages run the same ones hundreds of times."""
    once: dict[object, Event] = {}
    for event in events:
        command = re.sub(r"\w*\d\w*", "#", _command(event))
        once.setdefault((event.fields["Image"], command, event.fields["ParentImage"]), event)
    return list(once.values())


def _command(event: Event) -> str:
    return str(event.fields.get("CommandLine", ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
