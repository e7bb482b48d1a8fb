"""Taking part in the machine's audit system, for real: alone, beside auditd, and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.helper import kernel, netlink, rules
from agent.helper.audit import AuditLink
from agent.helper.exceptions import AuditError
from agent.helper.ledger import Ledger
from tests.agent.helper.audit_state import Audit, wait_for

pytestmark = pytest.mark.root


@pytest.fixture
def link(audit: Audit, tmp_path: Path) -> Iterator[AuditLink]:
    made = AuditLink(Ledger(tmp_path / "audit.json"), 8_192, 0)
    yield made
    made.give_back()


def starts(link: AuditLink) -> list[bytes]:
    """The EXECVE records that wait."""
    batch = bytearray(1 << 20)
    used = link.socket.drain(batch, 0, frozenset({1309}))
    return [text for _, text in netlink.split(bytes(batch[:used]))]


def sees_a_start(link: AuditLink, mark: str) -> bool:
    subprocess.run(["/bin/true", mark], check=True)
    found: list[bytes] = []
    wait_for(lambda: found.extend(starts(link)) or any(mark.encode() in text for text in found), 5)
    return True


def test_the_owner_never_makes_the_host_wait_and_leaves_no_trace(link: AuditLink, audit: Audit) -> None:
    link.take()
    now = audit.status()
    assert link.mode == "owner"
    assert (now.pid, now.enabled, now.failure) == (os.getpid(), 1, 1)
    assert (now.backlog_wait_time, now.backlog_limit) == (0, 8_192)
    assert sees_a_start(link, "alone")
    link.give_back()
    assert audit.state() == audit.before
    assert audit.status().pid == 0


def test_what_somebody_set_meanwhile_stays(link: AuditLink, audit: Audit) -> None:
    link.take()
    audit.change(backlog_limit=12_345)
    link.give_back()
    assert audit.state().settings == {**audit.before.settings, "backlog_limit": 12_345}


def test_deleted_rules_and_changed_settings_are_put_back(link: AuditLink, audit: Audit) -> None:
    link.take()
    subprocess.run(["auditctl", "-D"], check=True, capture_output=True)
    audit.change(enabled=0)
    assert audit.rules() == []
    link.tend()
    assert sees_a_start(link, "again")
    link.give_back()
    assert audit.state() == audit.before


def test_a_second_link_listens_beside_the_first_and_takes_over(
    link: AuditLink, audit: Audit, tmp_path: Path
) -> None:
    code = f"""
import sys
from pathlib import Path
from agent.helper.audit import AuditLink
from agent.helper.ledger import Ledger
link = AuditLink(Ledger(Path({str(tmp_path / "first.json")!r})), 8192, 0)
link.take()
print(link.mode, flush=True)
sys.stdin.read()
link.give_back()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout
        assert first.stdin
        assert first.stdout.readline() == "owner\n"
        link.take()
        assert link.mode == "beside"
        assert sees_a_start(link, "both")
        first.stdin.close()
        first.wait()
    assert audit.rules() == []
    link.tend()
    assert link.mode == "owner"
    assert sees_a_start(link, "alone-now")
    link.give_back()
    assert audit.state() == audit.before


def test_after_a_kill_the_next_start_puts_everything_back(link: AuditLink, audit: Audit, tmp_path: Path) -> None:
    code = f"""
import signal, os
from pathlib import Path
from agent.helper.audit import AuditLink
from agent.helper.ledger import Ledger
AuditLink(Ledger(Path({str(tmp_path / "audit.json")!r})), 512, 100000).take()
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert audit.status().rate_limit == 100_000
    assert len(audit.rules()) == 2
    link.take()
    assert audit.status().rate_limit == 0
    assert sees_a_start(link, "after")
    link.give_back()
    assert audit.state() == audit.before


def test_the_rules_of_a_killed_agent_whose_directory_is_gone_are_cleared(
    link: AuditLink, audit: Audit, tmp_path: Path
) -> None:
    gone = AuditLink(Ledger(tmp_path / "gone.json"), 8_192, 0)
    gone.take()
    kernel.disown(gone.socket)
    gone.socket.close()
    link.take()
    link.give_back()
    assert audit.rules() == []


def test_nothing_stays_changed_when_it_cannot_begin(link: AuditLink, audit: Audit) -> None:
    subprocess.run(["auditctl", "-a", "task,never"], check=True, capture_output=True)
    before = audit.state()
    with pytest.raises(AuditError, match=r"never,task.*Delete it"):
        link.take()
    assert audit.state() == before
    assert link.mode == "off"


def test_without_room_for_its_ledger_it_changes_nothing(audit: Audit, tmp_path: Path) -> None:
    unwritable = AuditLink(Ledger(tmp_path / "absent" / "audit.json"), 8_192, 0)
    with pytest.raises(AuditError, match="left alone"):
        unwritable.take()
    assert audit.state() == audit.before
    assert audit.status().pid == 0


def test_what_the_kernel_loses_is_counted(link: AuditLink, audit: Audit) -> None:
    """A rate of one record a second loses nearly all of them."""
    link._rate = 1
    link.take()
    for _ in range(10):
        subprocess.run(["/bin/true"], check=True)
    link.tend()
    assert link.lost >= 30


AUDITD_CONF = """
local_events = yes
write_logs = yes
log_file = {directory}/audit.log
log_format = RAW
flush = NONE
max_log_file = 8
max_log_file_action = ROTATE
space_left = 2
space_left_action = IGNORE
admin_space_left = 1
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
"""


class Auditd:
    """A real auditd with a configuration of its own."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        (directory / "auditd.conf").write_text(AUDITD_CONF.format(directory=directory))
        self.log = directory / "audit.log"
        self._command = ["/usr/sbin/auditd", "-n", "-s", "nochange", "-c", str(directory)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, audit: Audit) -> int:
        """Its process id, once it owns the records."""
        process = self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        wait_for(lambda: audit.status().pid == process.pid, what="auditd to own the records")
        return process.pid

    def try_to_start(self) -> None:
        """Run it until it gives up."""
        subprocess.run(self._command, capture_output=True, timeout=20, check=False)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@pytest.fixture
def auditd(audit: Audit, tmp_path: Path) -> Iterator[Auditd]:
    daemon = Auditd(tmp_path / "auditd")
    yield daemon
    daemon.stop()


def test_beside_a_real_auditd_both_see_everything(link: AuditLink, audit: Audit, auditd: Auditd) -> None:
    owner = auditd.start(audit)
    owned = audit.state()
    link.take()
    assert link.mode == "beside"
    now = audit.status()
    assert (now.pid, now.failure, now.backlog_wait_time) == (owner, owned.settings["failure"], 0)
    assert sees_a_start(link, "beside")
    wait_for(lambda: b'a1="beside"' in auditd.log.read_bytes(), what="auditd to write it too")
    link.give_back()
    assert audit.state() == owned
    auditd.stop()
    assert audit.status().pid == 0


def test_when_auditd_stops_its_place_is_taken(link: AuditLink, audit: Audit, auditd: Auditd) -> None:
    auditd.start(audit)
    link.take()
    assert sees_a_start(link, "beside")
    wait_for(lambda: b'a1="beside"' in auditd.log.read_bytes(), what="auditd to work: before, it hears no SIGTERM")
    auditd.stop()
    link.tend()
    assert link.mode == "owner"
    assert audit.status().pid == os.getpid()
    assert sees_a_start(link, "alone")


def test_an_auditd_that_starts_later_gets_the_place_with_its_second_try(
    link: AuditLink, audit: Audit, auditd: Auditd
) -> None:
    link.take()
    auditd.try_to_start()
    assert audit.status().pid == os.getpid()
    starts(link)
    assert 1329 in link.socket.passed_over
    link.give_way()
    link.tend()
    assert (link.mode, audit.status().pid) == ("beside", 0)
    auditd.start(audit)
    assert sees_a_start(link, "beside-it-now")


def test_only_exactly_our_rules_are_deleted(link: AuditLink, audit: Audit) -> None:
    theirs = ["auditctl", "-a", "always,exit", "-F", "arch=b64", "-S", "ptrace", "-k", "lienphong"]
    subprocess.run(theirs, check=True, capture_output=True)
    link.take()
    link.give_back()
    assert [rules.decode(rule).calls for rule in audit.rules()] == [frozenset({101})]


def test_the_kernel_tells_its_state_on_the_same_socket(link: AuditLink) -> None:
    link.take()
    assert kernel.get_status(link.socket).pid == os.getpid()
