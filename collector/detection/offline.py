"""Detection over files: work items in, results out; the same code in one process or in several."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
from evtx import PyEvtxParser
from msgspec import Struct

from collector.detection.engine import Engine
from collector.detection.exceptions import EventError, EventFileError
from collector.detection.inputs import (
    MAX_LINE,
    STDIN,
    Lines,
    Readable,
    TooLong,
    blocks,
    head_of,
    is_cut_off,
    is_evtx,
    opened,
)
from collector.detection.normalise import normalise, stated, time_of
from collector.detection.route import Event
from collector.detection.values import Scalar
from wire.event import Logsource

MAX_REASONS = 100
"""Refused events of one work item that are described; the others are counted."""
MAX_DAMAGE = 10_000
"""Damaged records after which an event log is given up."""
MAX_EVTX = 4 * 1024 * 1024 * 1024
"""Bytes of an event log once decompressed."""


class Work(Struct, array_like=True):
    """Some events of one file: lines, or a whole event log by its path."""

    file: str
    index: int = 0
    line: int = 0
    texts: list[bytes] = []
    evtx: str = ""


class Found(Struct, array_like=True):
    """A match: the rule by its position in the rule set, the event by its position in the file."""

    rule: int
    index: int
    time: str | None


class Bad(Struct, array_like=True):
    """An event that was refused. `line` is 1-based; 0 where the file has no lines."""

    index: int
    line: int
    reason: str


class Result(Struct, array_like=True):
    """What a work item amounts to. `refused` counts; `bad` describes the first of them; `failure` ended the
    file."""

    file: str
    events: int = 0
    unrouted: int = 0
    refused: int = 0
    found: list[Found] = []
    bad: list[Bad] = []
    sources: list[Logsource] = []
    failure: str = ""


def work_items(name: str) -> Iterator[Work | Result]:
    """The file cut into work; what cannot be read is told as a result.

    Raises:
        EventFileError: the file cannot be read any further.
    """
    with opened(name) as stream:
        head = head_of(stream)
        if is_evtx(head):
            yield from _evtx_items(name, head, stream)
            return
        for part in blocks(stream, head):
            if isinstance(part, TooLong):
                reason = f"longer than {MAX_LINE // 1024 // 1024} MiB"
                yield Result(name, refused=1, bad=[Bad(0, part.line, reason)])
            else:
                yield _lines_item(name, part)


def _lines_item(name: str, part: Lines) -> Work:
    return Work(name, part.first, part.line, part.texts)


def _evtx_items(name: str, head: bytes, stream: Readable) -> Iterator[Work]:
    """An event log is read in place where it can be; it needs seeking, so a stream is written to a file first."""
    if name != STDIN:
        with Path(name).open("rb") as raw:
            if is_evtx(raw.read(len(head))):
                yield Work(name, evtx=name)
                return
    with tempfile.NamedTemporaryFile(suffix=".evtx") as copy:
        copy.write(head)
        _copy(stream, copy)
        copy.flush()
        yield Work(name, evtx=copy.name)


def _copy(stream: Readable, target: IO[bytes]) -> None:
    left = MAX_EVTX
    while chunk := stream.read(1024 * 1024):
        left -= len(chunk)
        if left < 0:
            raise EventFileError(f"unpacks to more than {MAX_EVTX // 1024**3} GiB")
        target.write(chunk)


def detect(
    engine: Engine, names: Iterable[str], jobs: int = 1, default: Logsource | None = None
) -> Iterator[Result]:
    """Match every event of the files, in order; `jobs` processes share the work, `default` is the log source of
    events that state none.

    Raises:
        DetectionError: a worker process died.
    """
    from collector.detection.workers import Workers

    worker = Worker(engine, default)
    if jobs == 1:
        for item in _all_items(names):
            yield worker.do(item) if isinstance(item, Work) else item
        return
    workers = Workers(jobs, worker.do)
    try:
        yield from workers.results(_all_items(names))
    finally:
        workers.close()


def _all_items(names: Iterable[str]) -> Iterator[Work | Result]:
    for name in names:
        try:
            yield from work_items(name)
        except EventFileError as error:
            yield Result(name, failure=str(error))


class Worker:
    """Does work items with one engine. `default` is the log source of events that state none."""

    def __init__(self, engine: Engine, default: Logsource | None = None) -> None:
        self._engine = engine
        self._default = default
        self._rules = {rule.id: position for position, rule in enumerate(engine.ruleset.rules)}
        self._flat = msgspec.json.Decoder(dict[str, Scalar])
        self._any = msgspec.json.Decoder()
        self._nested = False

    def do(self, work: Work) -> Result:
        """Decode and match."""
        result = Result(work.file, found=[], bad=[])
        self._engine.unrouted = 0
        self._engine.seen.clear()
        if work.evtx:
            self._event_log(work, result)
        else:
            self._lines(work, result)
        result.unrouted = self._engine.unrouted
        result.sources = list(self._engine.seen)
        return result

    def _lines(self, work: Work, result: Result) -> None:
        for offset, text in enumerate(work.texts):
            try:
                fields, logsource = self._decoded(text)
            except (msgspec.DecodeError, EventError, RecursionError, UnicodeDecodeError) as error:
                line = work.line + offset if work.line else 0
                _refuse(result, work.index + offset, line, _reason(error))
                continue
            result.events += 1
            self._match(fields, logsource or self._default, work.index + offset, result)

    def _decoded(self, text: bytes) -> tuple[Event, Logsource | None]:
        """Flat events are the common case and decode at once; a nested one tells what to expect of the next."""
        if not self._nested:
            try:
                flat = self._flat.decode(text)
            except msgspec.ValidationError:
                self._nested = True
            else:
                return flat, stated(flat)
        event = self._any.decode(text)
        fields, logsource = normalise(event)
        self._nested = len(fields) != len(event) or any(isinstance(value, list) for value in fields.values())
        return fields, logsource

    def _event_log(self, work: Work, result: Result) -> None:
        index = 0
        try:
            records = PyEvtxParser(work.evtx, number_of_threads=1).records_json()
        except (RuntimeError, OSError, ValueError) as error:
            result.failure = f"{work.file}: {_reason(error)}"
            return
        while result.refused < MAX_DAMAGE:
            try:
                record = next(records, None)
            except RuntimeError as error:  # this record or chunk is lost; the reader goes on behind it
                _refuse(result, index, 0, _reason(error))
                result.failure = f"{work.file}: damaged: {_reason(error)}"
            else:
                if record is None:
                    break
                self._record(record, index, result)
            index += 1
        if is_cut_off(Path(work.evtx)):
            result.failure = f"{work.file}: cut off: shorter than its header says, or not whole chunks"

    def _record(self, record: Any, index: int, result: Result) -> None:
        try:
            fields = normalise(self._any.decode(record["data"])).fields
        except (msgspec.DecodeError, EventError, RecursionError) as error:
            _refuse(result, index, 0, _reason(error))
            return
        result.events += 1
        self._match(fields, None, index, result)

    def _match(self, fields: Event, logsource: Logsource | None, index: int, result: Result) -> None:
        matches = self._engine.match(fields, logsource)
        if matches:
            time = time_of(fields)
            result.found += [Found(self._rules[match.rule.id], index, time) for match in matches]


def _refuse(result: Result, index: int, line: int, reason: str) -> None:
    result.refused += 1
    if len(result.bad) < MAX_REASONS:
        result.bad.append(Bad(index, line, reason))


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join(str(error).split())[:300]
