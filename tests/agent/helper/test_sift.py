"""Which records are passed on to the main process."""

from __future__ import annotations

from agent.helper import rules, sift
from agent.helper.sift import EOE, PATH, SYSCALL, Sift

START = rules.start_markers(rules.exec_calls())[0] + b" exit=0"
WRITE = b"arch=c000003e syscall=257 success=yes exit=3"


def stamped(serial: int, text: bytes = b"") -> memoryview:
    return memoryview(b"audit(1795545778.344:%d): %s" % (serial, text))


def test_paths_are_kept_of_all_but_starts_and_failures() -> None:
    chosen = Sift()
    for serial, call in enumerate((START, WRITE, WRITE.replace(b"success=yes", b"success=no"))):
        assert chosen.keeps(SYSCALL, stamped(serial, call))
    kept = [chosen.keeps(PATH, stamped(serial, b'item=0 name="/x"')) for serial in range(4)]
    assert kept == [False, True, False, False]


def test_an_event_that_ended_is_forgotten() -> None:
    chosen = Sift()
    chosen.keeps(SYSCALL, stamped(1, WRITE))
    assert chosen.keeps(EOE, stamped(1))
    assert not chosen.keeps(PATH, stamped(1, b"item=0"))


def test_events_without_end_are_bounded() -> None:
    chosen = Sift()
    for serial in range(sift.MAX_OPEN + 10):
        chosen.keeps(SYSCALL, stamped(serial, WRITE))
    assert len(chosen._open) == sift.MAX_OPEN
    assert chosen.keeps(PATH, stamped(sift.MAX_OPEN + 9))
