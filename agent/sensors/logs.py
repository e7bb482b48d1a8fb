"""Log files, followed line by line; what sshd, sudo and su say in them becomes events with fields."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable

from agent import clock
from agent.config import LogFile, LogsConfig
from agent.exceptions import HelperError, SensorError
from agent.helper.client import HelperClient
from agent.helper.exceptions import OpenRefusedError
from agent.helper.files import AllowedFiles
from agent.sensor import Availability, Sink
from agent.sensors import auth, scrub, syslog, tail
from agent.sensors.tail import Opener, Tail
from wire.block import Lane
from wire.event import Event, Logsource, Value

MARK_SECONDS = 5.0
"""How long a bookmark that covers no event may stay behind; read again, such lines still yield none."""

LANE: Lane = "security"
SOURCES = {name: Logsource(product="linux", service=name) for name in ("sshd", "sudo", "su")}


class LogSensor:
    """With the helper it follows files that only root may read; without, those it may read itself."""

    name = "logs"

    def __init__(self, config: LogsConfig, helper: HelperClient | None) -> None:
        self._config = config
        if helper is not None:
            self._open: Opener = helper.open_log
        else:
            self._open = AllowedFiles(file.path for file in config.files).open

    def availability(self) -> Availability:
        """Works while one of the files can be read, or may still appear."""
        if not self._config.enabled:
            return Availability(False, "switched off", "Set sensors.logs.enabled: true.")
        if not self._config.files:
            return Availability(False, "no log files are configured", "Name some under sensors.logs.files.")
        states = [self._state(file.path) for file in self._config.files]
        readable = [path for path, problem, _ in states if not problem]
        refused = [problem for _, problem, absent in states if problem and not absent]
        if readable:
            return Availability(True, f"following {', '.join(readable)}")
        if len(refused) == len(states):
            return Availability(False, "; ".join(refused), "Start the agent as root, or name other files.")
        fix = "Install rsyslog if this machine keeps its log in the journal alone, or name other files."
        return Availability(True, f"waiting for {', '.join(path for path, _, absent in states if absent)}", fix)

    def run(self, sink: Sink, stop: threading.Event) -> None:
        """Emit what is new in every file in the `security` lane, with bookmarks, until `stop` is set.

        Raises:
            SensorError: a file is there and may not be read.
        """
        followed: list[_Followed] = []
        try:
            followed.extend(
                _Followed(file, self._open, self._config.max_line_bytes, sink) for file in self._config.files
            )
            while not stop.is_set():
                busy = [file.step() for file in followed]
                if not any(busy):
                    stop.wait(self._config.poll_seconds)
        except (HelperError, OSError) as error:
            raise SensorError(f"log files: {error}") from error
        finally:
            for one in followed:
                one.close()

    def _state(self, path: str) -> tuple[str, str, bool]:
        """The path, why it cannot be read (empty: it can), and whether it is just not there."""
        try:
            os.close(self._open(path))
        except OpenRefusedError as error:
            return path, str(error), error.absent
        except HelperError as error:
            return path, str(error), False
        return path, "", False


class _Followed:
    """One file on its way into the spool."""

    def __init__(self, file: LogFile, opener: Opener, max_line: int, sink: Sink) -> None:
        self._sink = sink
        self._bookmark = f"logs:{file.path}"
        self._understand = READERS[file.format]
        before = sink.bookmark(self._bookmark)
        self._kept = tail.decode(before) if before else None
        self._kept_at = time.monotonic()
        self._tail = Tail(file.path, opener, max_line, self._kept)

    def step(self) -> bool:
        """Read once; whether there was something new."""
        lines = self._tail.read()
        for name, n in self._tail.counts.items():
            self._sink.count(name, n)
        self._tail.counts.clear()
        events = list(to_events(lines, self._understand))
        mark = self._tail.mark()
        moved = mark is not None and mark != self._kept
        if mark and moved and (events or time.monotonic() - self._kept_at >= MARK_SECONDS):
            self._sink.emit_many(LANE, events, (self._bookmark, tail.encode(mark)))
            self._kept, self._kept_at = mark, time.monotonic()
        return bool(lines)

    def close(self) -> None:
        self._tail.close()


Reader = Callable[[syslog.LogLine], auth.Said | None]


def to_events(lines: Iterable[bytes], understand: Reader) -> Iterable[Event]:
    """What these lines tell, in order; lines of other programs tell nothing here."""
    now_us = clock.now_us()
    to_mono = clock.mono_us() - now_us
    for data in lines:
        text = scrub.text(data.strip(b"\r\0").decode(errors="replace"))
        line = syslog.parse(text, now_us)
        said = understand(line)
        if said is None:
            continue
        when = now_us if line.time_us is None else line.time_us
        fields: dict[str, Value] = said.fields
        if line.pid is not None:
            fields["ProcessId"] = line.pid
        if line.host:
            fields["LogHost"] = line.host
        yield Event(
            time=when,
            mono=max(0, when + to_mono),
            source=SOURCES[said.service],
            origin="log",
            fields=fields,
            raw=text,
        )


def _any_program(line: syslog.LogLine) -> auth.Said | None:
    return auth.understand(line.program, line.message) if line.program else auth.recognise(line.message)


def _only(service: str) -> Reader:
    """Lines of one service; what has no header is taken as its own words."""

    def understand(line: syslog.LogLine) -> auth.Said | None:
        said = auth.understand(line.program or service, line.message)
        return said if said and said.service == service else None

    return understand


READERS: dict[str, Reader] = {"auto": _any_program, **{service: _only(service) for service in SOURCES}}
"""The configuration's `format` → how a line is understood."""
