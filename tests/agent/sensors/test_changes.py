"""Writing to watched places: from PATH records to events, and as a real kernel tells of it."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors import changes
from agent.sensors.accounts import Accounts
from agent.sensors.ancestry import Ancestry
from agent.sensors.changes import SOURCE, Changes, opens_for_writing
from agent.sensors.records import CWD, EOE, PATH, SYSCALL, Assembler, ChangeRecord
from collector.detection.engine import Engine
from collector.detection.load import load
from tests.agent.sensors.test_records import kernel_string
from tests.agent.sensors.watched import Watching

CALLS = {0xC000003E: (59, 322)}
CRON = Path("/etc/cron.d")
RULES = Path(__file__).parents[3] / "rules"
SECONDS = 2.0

PathRecord = tuple[bytes, int, str]
"""Name (empty for none), inode number and nametype."""

NAME = st.binary(min_size=1, max_size=40).map(lambda data: data.replace(b"\0", b"").replace(b"/", b"") or b"x")
PLACE_INODE = 7


def records(
    paths: list[PathRecord], cwd: bytes = b"/", key: str = '"lienphong"', call: int = 257, flags: int = 0x241
) -> list[tuple[int, bytes]]:
    """As the kernel writes a call that dealt with these paths."""
    stamp = b"audit(1795545778.344:1): "
    syscall = (
        f"arch=c000003e syscall={call} success=yes exit=3 a0=ffffff9c a1=7ffe a2={flags:x} a3=1b6"
        f" items={len(paths)} ppid=1 pid=4194305 auid=4294967295 uid=0 gid=0 euid=0 tty=(none) ses=4294967295"
        f' comm="bash" exe="/usr/bin/bash" key={key}'
    )
    texts = [
        f"item={item} name={kernel_string(name) if name else '(null)'} inode={inode} dev=fe:00 mode=0100644"
        f" nametype={kind}"
        for item, (name, inode, kind) in enumerate(paths)
    ]
    return [
        (SYSCALL, stamp + syscall.encode()),
        (CWD, stamp + b"cwd=" + kernel_string(cwd).encode()),
        *((PATH, stamp + text.encode()) for text in texts),
        (EOE, stamp),
    ]


def change(*args: object, **options: object) -> ChangeRecord:
    (found,) = Assembler(CALLS).feed(records(*args, **options))  # type: ignore[arg-type]
    assert isinstance(found, ChangeRecord)
    return found


def watcher() -> Changes:
    names = {f"fe:00 {PLACE_INODE}": "/etc/cron.d"}
    return Changes(["/etc/cron.d", "/etc/passwd"], names.copy, Accounts(), Ancestry(lambda _pid: "", " ".join))


def targets(record: ChangeRecord, by: Changes | None = None) -> list[str]:
    return [str(event.fields["TargetFilename"]) for event in (by or watcher()).events(record, 0)]


@given(NAME)
def test_any_name_comes_back_absolute(name: bytes) -> None:
    expected = os.path.normpath(f"/etc/cron.d/{name.decode(errors='replace')}")
    expected = expected if expected.startswith("/etc/cron.d") else ""
    absolute = change([(b"/etc/cron.d/", 9, "PARENT"), (b"/etc/cron.d/" + name, 10, "CREATE")])
    relative = change([(name, 10, "NORMAL")], cwd=b"/etc/cron.d")
    for record in (absolute, relative):
        assert targets(record) == ([expected] if expected else [])


@given(NAME.filter(lambda name: name not in (b".", b"..")), st.sampled_from([b"/root", b"/etc/cron.d"]))
def test_a_name_relative_to_an_open_directory_is_told_by_that_directorys_number(name: bytes, cwd: bytes) -> None:
    """The kernel states the working directory as the parent's name, wrongly."""
    record = change([(cwd, PLACE_INODE, "PARENT"), (name, 10, "CREATE")], cwd=cwd)
    assert targets(record) == [f"/etc/cron.d/{name.decode(errors='replace')}"]


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=30).map(lambda data: data.replace(b"\0", b"")),
            st.integers(0, 20),
            st.sampled_from(["PARENT", "CREATE", "NORMAL", "DELETE", "UNKNOWN"]),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(['"lienphong"', '"identity"', "(null)"]),
)
def test_whatever_paths_come_only_watched_ones_are_told(paths: list[PathRecord], key: str) -> None:
    for path in targets(change(paths, key=key)):
        assert path == "/etc/passwd" or path == "/etc/cron.d" or path.startswith("/etc/cron.d/")


@given(st.binary(max_size=120))
def test_a_damaged_path_record_upsets_nothing(damage: bytes) -> None:
    begin, cwd, _, end = records([(b"x", 1, "CREATE")])
    for text in (damage, b"item=0 name=" + damage + b" inode=1 dev=fe:00 nametype=CREATE"):
        assembler = Assembler(CALLS)
        found = list(assembler.feed([begin, cwd, (PATH, b"audit(1795545778.344:1): " + text), end]))
        assert len(found) + assembler.incomplete_changes == 1
        for record in found:
            assert isinstance(record, ChangeRecord)
            targets(record)


def test_a_rename_tells_of_the_new_name_and_moving_away_of_nothing() -> None:
    parents = [(b"/etc/cron.d/", PLACE_INODE, "PARENT"), (b"/root/", 8, "PARENT")]
    into = [*reversed(parents), (b"/root/x", 10, "DELETE"), (b"/etc/cron.d/y", 10, "CREATE")]
    away = [*parents, (b"/etc/cron.d/x", 10, "DELETE"), (b"/root/y", 10, "CREATE")]
    assert targets(change(into, call=82)) == ["/etc/cron.d/y"]
    assert targets(change(away, call=82)) == []


def test_through_a_link_the_file_has_its_real_name() -> None:
    record = change([(b"/tmp/l/", PLACE_INODE, "PARENT"), (b"/tmp/l/x", 10, "CREATE")])
    assert targets(record) == ["/etc/cron.d/x"]


def test_a_call_on_a_descriptor_is_named_when_the_file_is_known_and_counted_otherwise() -> None:
    by = watcher()
    assert targets(change([(b"", 10, "NORMAL")], call=91), by) == []
    assert by.unnamed == 1
    assert targets(change([(b"/etc/cron.d/x", 10, "CREATE")]), by) == ["/etc/cron.d/x"]
    later = change([(b"", 10, "NORMAL")], call=91)
    later.syscall["pid"] = "4194306"
    assert targets(later, by) == ["/etc/cron.d/x"]
    assert by.unnamed == 1


def test_under_an_administrators_key_reading_is_not_told() -> None:
    passwd = [(b"/etc/passwd", 10, "NORMAL")]
    assert targets(change(passwd, key='"identity"', flags=os.O_RDONLY | os.O_CLOEXEC)) == []
    assert targets(change(passwd, key='"identity"', flags=os.O_WRONLY)) == ["/etc/passwd"]
    assert targets(change(passwd, key='"identity"', call=89)) == []
    assert targets(change([(b"/etc/cron.d/x", 10, "CREATE")], key="(null)", call=82)) == ["/etc/cron.d/x"]


def test_flags_are_read_where_the_call_has_them() -> None:
    call = {"arch": "c000003e", "a1": "1", "a2": "0"}
    assert opens_for_writing({**call, "syscall": "2"})
    assert not opens_for_writing({**call, "syscall": "257"})


def test_repeats_within_a_second_are_told_once_and_counted() -> None:
    by = watcher()
    record = change([(b"/etc/cron.d/x", 10, "CREATE")])
    assert [targets(record, by) for _ in range(3)] == [["/etc/cron.d/x"], [], []]
    assert by.repeated == 2
    later = ChangeRecord(record.time_us + 1_000_000, record.syscall, record.paths, record.cwd)
    assert targets(later, by) == ["/etc/cron.d/x"]


def test_what_is_remembered_is_bounded() -> None:
    by = watcher()
    for number in range(changes.MAX_RECENT + 10):
        targets(change([(b"/etc/cron.d/%d" % number, number + 100, "CREATE")]), by)
    assert len(by._recent) == changes.MAX_RECENT


@pytest.fixture
def job() -> Iterator[Path]:
    """A file in cron's directory that is gone afterwards."""
    path = CRON / f"lienphong-test-{next(NUMBERS)}-{uuid4().hex}"
    yield path
    path.unlink(missing_ok=True)


NUMBERS = count()


@pytest.mark.root
def test_a_job_typed_into_an_interactive_shell_is_seen_and_found(watching: Watching, job: Path) -> None:
    terminal, inner = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-i"], stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    )
    os.close(inner)
    watching.find(lambda fields: fields["ProcessId"] == shell.pid)
    os.write(terminal, f"echo '# * * * * * root id' > {job}\n".encode())
    while not job.exists():
        assert shell.poll() is None
        time.sleep(0.005)
    typed = time.monotonic()
    event = watching.written(job)
    late = time.monotonic() - typed
    os.write(terminal, b"exit\n")
    shell.wait(10)
    os.close(terminal)
    assert late < SECONDS
    assert (event.source, event.origin) == (SOURCE, "kernel")
    expected = {"CommandLine": "bash --noprofile --norc -i", "User": "root", "ProcessId": shell.pid, "uid": 0}
    expected |= {"ParentProcessId": os.getpid(), "CurrentDirectory": str(Path.cwd())}
    expected |= {"Image": str(Path("/bin/bash").resolve())}
    assert {name: event.fields[name] for name in expected} == expected
    assert event.fields["ParentCommandLine"]
    matches = Engine(load([RULES])).match(event.fields, event.source)
    assert [Path(match.rule.file).stem for match in matches] == ["cron_job_written_by_shell"]


@pytest.mark.root
@pytest.mark.parametrize(
    "command",
    [
        "(echo '# x' > {path})",
        "cd {directory} && echo '# x' > {name}",
        "ln -s {directory} {scratch}/l && echo '# x' > {scratch}/l/{name}",
        "cp -t {directory} {scratch}/{name}",
        "mv {scratch}/{name} {path}",
        "echo '# x' | tee {path}",
    ],
    ids=["subshell", "relative", "through-a-link", "directory-open", "moved", "tee"],
)
def test_however_it_is_written_the_path_is_true(
    watching: Watching, job: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / job.name).write_text("# x\n")
    line = command.format(path=job, directory=CRON, name=job.name, scratch=tmp_path)
    subprocess.run(["bash", "-c", line], check=True, capture_output=True)
    fields = watching.written(job).fields
    assert fields["CommandLine"]
    assert fields["User"] == "root"


@pytest.mark.root
def test_overwriting_relative_to_an_open_directory_is_named(watching: Watching, job: Path) -> None:
    """Without O_CREAT the kernel tells the file's number alone."""
    job.write_text("# x\n")
    watching.written(job)
    code = "import os, sys; os.open(sys.argv[2], os.O_WRONLY, dir_fd=os.open(sys.argv[1], os.O_RDONLY))"
    child = subprocess.Popen(["/usr/bin/python3", "-c", code, CRON, job.name])
    child.wait()
    event = watching.find(lambda fields: "TargetFilename" in fields and fields["ProcessId"] == child.pid)
    assert event.fields["TargetFilename"] == str(job)


@pytest.mark.root
def test_reading_is_not_told(watching: Watching, job: Path) -> None:
    job.write_text("# x\n")
    watching.written(job)
    subprocess.run(["cat", job, "/etc/passwd"], check=True, capture_output=True)
    watching.command(f"cat {job} /etc/passwd")
    assert not any(
        "TargetFilename" in event.fields and str(event.fields["CommandLine"]).startswith("cat ")
        for event in watching.events()
    )
