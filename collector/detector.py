"""The detector's process: blocks from the inbox, through the engine, to the responder; nothing is lost between."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from collector import damage
from collector.consumer import Cursor, Loop
from collector.detection.live import LiveDetector
from collector.door import Door, DoorError
from collector.messages import Accepted, Fault, InboxBlock, Match, Matches, RuleCard, RuleReport
from collector.outbox import Outbox

MAX_WAITING = 20_000
"""Matches for a responder that is away: then the inbox waits, which has its own bound and tells the agents."""

LOOK_S = 2.0
"""How often the rule directories are looked at for changes."""

TELL_S = 60.0
"""The report is told again this often: a responder that was started anew has forgotten it."""

QUIET_S = 10.0

log = logging.getLogger(__name__)


class Rules:
    """The engine of the rules as they are on disk. A change is loaded beside the running engine, which goes on
    until the new one is whole."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._state = signature(self._paths)
        self.live = _loaded(self._paths)
        self._next: LiveDetector | None = None
        self._loading: threading.Thread | None = None
        self._looked = time.monotonic()
        self.asked = threading.Event()

    def refresh(self) -> bool:
        """Look for changes now and then, load them in the background; true when a new engine took over."""
        if self._loading is not None:
            return self._take_over()
        if time.monotonic() - self._looked < LOOK_S and not self.asked.is_set():
            return False
        self._looked = time.monotonic()
        state = signature(self._paths)
        if state != self._state or self.asked.is_set():
            self.asked.clear()
            self._state = state
            self._loading = threading.Thread(target=self._load, name="rules")
            self._loading.start()
        return False

    def _load(self) -> None:
        try:
            self._next = _loaded(self._paths)
        except Exception:
            log.exception("the changed rules cannot be loaded; the ones before go on")

    def _take_over(self) -> bool:
        assert self._loading is not None
        if self._loading.is_alive():
            return False
        self._loading.join()
        self._loading = None
        if self._next is None:
            return False
        self.live, self._next = self._next, None
        return True


def _loaded(paths: Sequence[Path]) -> LiveDetector:
    """Load with the collector of cycles off: an engine is millions of objects that live as long as it does, and
    walking them again and again costs more than loading."""
    gc.disable()
    try:
        live = LiveDetector.load(paths)
        gc.freeze()
    finally:
        gc.enable()
    return live


class Detection:
    """What the loop does with blocks: match, store matches and cursor together, hand the matches on."""

    def __init__(self, cursor: Cursor, rules: Rules, responder: Door, stopping: Callable[[], bool]) -> None:
        self._cursor, self._rules, self._responder, self._stopping = cursor, rules, responder, stopping
        self._outbox = Outbox(cursor.connection)
        self._told = False
        self._tell_again = 0.0
        self._quiet_until = 0.0

    def take(self, blocks: Sequence[InboxBlock]) -> None:
        """See `Work.take`."""
        live = self._rules.live
        matches = [match for block in blocks for match in _search(live, block)]
        cards = [_card(live, rule_hash) for rule_hash in {match.rule_hash for match in matches}]
        with self._cursor.connection:
            added = self._outbox.add(matches, cards)
            self._cursor.move(blocks[-1].seq)
        self._outbox.waiting += added

    def idle(self) -> None:
        """Hand on what waits; when too much does, nothing new is fetched until the responder is back."""
        if self._rules.refresh():
            self._told = False
            log.info("%s", self._rules.live.describe())
        pause = 0.05
        while not self._stopping():
            try:
                self._tell_report()
                self._send()
                return
            except DoorError as error:
                self._told = False
                self._complain(error)
                if self._outbox.waiting < MAX_WAITING:
                    return
                pause = min(2 * pause, 2.0)
                time.sleep(pause)

    def _tell_report(self) -> None:
        if not self._told or time.monotonic() > self._tell_again:
            self._ask(self._rules.live.report())
            self._told, self._tell_again = True, time.monotonic() + TELL_S

    def _complain(self, error: DoorError) -> None:
        """Once in a while: it is asked many times a second."""
        if time.monotonic() > self._quiet_until:
            log.warning("%d matches wait for the responder (%s)", self._outbox.waiting, error)
            self._quiet_until = time.monotonic() + QUIET_S

    def _send(self) -> None:
        while (waiting := self._outbox.next()) is not None:
            message, number = waiting
            self._ask(message)
            self._outbox.confirm(number)

    def _ask(self, request: Matches | RuleReport) -> None:
        answer = self._responder.ask(request)
        if not isinstance(answer, Accepted):
            raise DoorError(f"responder: {answer.detail if isinstance(answer, Fault) else type(answer).__name__}")


def _search(live: LiveDetector, block: InboxBlock) -> list[Match]:
    """The block's matches. One that cannot be searched is told as an alert and stops neither this process nor what
    comes after it: the same block would end every next run too."""
    unreadable = live.unreadable
    try:
        found = live.matches(block)
    except Exception:
        log.exception("block %d of agent %s cannot be searched", block.seq, block.identity.agent)
        return [damage.unsearched(block, "detection_failed")]
    return found if live.unreadable == unreadable else [damage.unsearched(block, "unreadable")]


def _card(live: LiveDetector, rule_hash: str) -> RuleCard:
    return damage.CARD if rule_hash == damage.CARD.hash else live.card(rule_hash)


def signature(paths: Iterable[Path]) -> str:
    """Changes when a file under the paths is added, removed or written."""
    seen = sha256()
    for path in paths:
        for file in sorted(path.rglob("*") if path.is_dir() else [path]):
            try:
                status = file.stat()
            except OSError:
                continue
            seen.update(f"{file}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
    return seen.hexdigest()


def run(
    directory: Path, rule_paths: Sequence[Path], gateway: Path, responder: Path, ready: Callable[[], None]
) -> None:
    """Detect until SIGTERM. `directory` is this process's own; SIGHUP loads the rules again."""
    rules = Rules(rule_paths)
    log.info("%s", rules.live.describe())
    cursor = Cursor(directory / "detector.sqlite")
    with Door(gateway) as source, Door(responder) as sink:
        stopping = threading.Event()
        loop = Loop("detector", source, cursor, Detection(cursor, rules, sink, stopping.is_set), stopping)
        loop.stop_on_signals()
        signal.signal(signal.SIGHUP, lambda *_: rules.asked.set())
        ready()
        loop.run()
