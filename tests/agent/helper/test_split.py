"""The division into a root helper and an unprivileged main process, with real processes and real kills."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.helper.exceptions import SplitError
from agent.helper.privileges import DEFAULT_UID, account
from agent.helper.verdict import alive
from tests.agent.helper.audit_state import Audit, wait_for
from tests.agent.helper.divided import Divided

pytestmark = pytest.mark.root

PROGRAM = Path(__file__).with_name("splitting.py")


@pytest.fixture
def divide(audit: Audit, reachable: Path) -> Iterator[Callable[[str], Divided]]:
    """Start one in a data directory of its own."""
    made: list[Divided] = []
    log = reachable / "only-root.log"
    log.write_text("for root")
    log.chmod(0o600)

    def start(what: str) -> Divided:
        made.append(Divided(PROGRAM, reachable, what))
        return made[-1]

    yield start
    for divided in made:
        divided.close()


def gone(pid: int) -> bool:
    """Not there any more, or a zombie that init has yet to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_gone(pid: int) -> None:
    wait_for(lambda: gone(pid), what="the main process to end")


def test_the_main_process_has_no_privilege_and_gets_its_log_through_the_helper(
    divide: Callable[[str], Divided], reachable: Path
) -> None:
    divided = divide("identity")
    assert divided.end() == 0
    said = "\n".join(divided.lines)
    uid = str(DEFAULT_UID)
    assert re.search(rf"Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}", said)
    assert re.search(rf"Gid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}", said)
    assert re.search(r"Groups:\s*$", said, re.MULTILINE)
    assert re.search(r"NoNewPrivs:\s+1", said)
    assert len(re.findall(r"Cap(?:Eff|Prm|Inh|Amb):\s+0+$", said, re.MULTILINE)) == 4
    assert divided.said("^denied") == ["denied", "denied"]
    assert divided.said("^read for root")
    assert divided.said("refused /etc/shadow: not among")
    assert (reachable / "spool" / "mine").stat().st_uid == DEFAULT_UID


def test_told_to_stop_it_stops_its_child_first_and_puts_the_audit_state_back(
    divide: Callable[[str], Divided], audit: Audit
) -> None:
    divided = divide("follow")
    main = divided.main()
    assert audit.status().pid == divided.process.pid
    divided.process.terminate()
    assert divided.end() == 0
    assert divided.said("clean stop")
    assert gone(main)
    assert audit.state() == audit.before


def test_a_killed_main_process_is_started_again_and_misses_nothing(
    divide: Callable[[str], Divided], audit: Audit
) -> None:
    divided = divide("follow")
    for round_ in range(3):
        main = divided.main()
        before = len(divided.said(r"^main \d+"))
        os.kill(main, signal.SIGKILL)
        wait_gone(main)
        subprocess.run(["/bin/true", f"while-away-{round_}"], check=True)
        divided.wait_said(r"^main \d+", before + 1)
        divided.wait_said(f"while-away-{round_}")
    assert divided.said("was killed by signal 9")


def test_when_the_helper_is_killed_the_main_process_ends_and_the_next_start_recovers(
    divide: Callable[[str], Divided], audit: Audit
) -> None:
    first = divide("follow")
    main = first.main()
    first.process.kill()
    first.end()
    wait_gone(main)
    assert len(audit.rules()) > 2
    second = divide("follow")
    second.main()
    subprocess.run(["/bin/true", "second-helper"], check=True)
    second.wait_said("second-helper")
    second.process.terminate()
    assert second.end() == 0
    assert audit.state() == audit.before


def test_a_crash_is_told_and_survived(divide: Callable[[str], Divided]) -> None:
    divided = divide("crash_once")
    assert divided.end() == 0
    assert divided.said("RuntimeError: the first time")
    assert divided.said("ended with status 70; starting it again in 0.2 s")
    assert divided.said("second life")


def test_a_main_process_that_will_not_stop_is_killed(
    divide: Callable[[str], Divided], audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIENPHONG_TEST_STOP_SECONDS", "0.5")
    divided = divide("deaf")
    main = divided.main()
    divided.process.terminate()
    divided.wait_said("did not stop within")
    divided.end()
    assert gone(main)


def test_a_directory_out_of_reach_is_named(divide: Callable[[str], Divided], reachable: Path) -> None:
    reachable.chmod(0o700)
    divided = divide("identity")
    assert divided.end() == 78
    assert divided.said(rf"uid {DEFAULT_UID} cannot reach {reachable}, .*choose another --data")


def test_accounts_by_name_and_number() -> None:
    assert (account("4711").uid, account("4711").gid) == (4711, 4711)
    assert account("lienphong").uid in (DEFAULT_UID, account("lienphong").uid)
    with pytest.raises(SplitError, match="no account nobody-at-all"):
        account("nobody-at-all")


@pytest.mark.parametrize("user", ["root", "0", "00"])
def test_root_is_no_account_to_give_root_up_for(user: str) -> None:
    with pytest.raises(SplitError, match=f"user: {user} is root"):
        account(user)
    assert alive(os.getpid())
