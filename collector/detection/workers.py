"""Several processes for one detection run: forked once the engine is built, so that they share its memory."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader, BufferedWriter
from typing import NamedTuple

import msgspec

from collector.detection.exceptions import DetectionError
from collector.detection.offline import Result, Work

_LENGTH = 8


class _Process(NamedTuple):
    pid: int
    to: BufferedWriter
    back: BufferedReader


class Workers:
    """Runs `do` on work items in `count` processes; results come back in the order of the items."""

    def __init__(self, count: int, do: Callable[[Work], Result]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._processes: list[_Process] = []
        for _ in range(count):
            self._processes.append(self._start(do))

    def _start(self, do: Callable[[Work], Result]) -> _Process:
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            for other in self._processes:  # an inherited end would keep a dead parent's pipe open
                other.to.raw.close()
                other.back.raw.close()
            os.close(down_write)
            os.close(up_read)
            _serve(os.fdopen(down_read, "rb"), os.fdopen(up_write, "wb"), do)
        os.close(down_read)
        os.close(up_write)
        return _Process(pid, os.fdopen(down_write, "wb"), os.fdopen(up_read, "rb"))

    def results(self, items: Iterable[Work | Result]) -> Iterator[Result]:
        """Results in order; an item that already is a result passes through in its place.

        Raises:
            DetectionError: a process died.
        """
        pending: deque[_Process | Result] = deque()
        turn = 0
        for item in items:
            if isinstance(item, Result):
                pending.append(item)
                continue
            process = self._processes[turn % len(self._processes)]
            turn += 1
            # A process never has two items: its pipes could fill in both directions and stop it and us for ever.
            while process in pending:
                yield _result(pending.popleft())
            _write(process.to, msgspec.msgpack.encode(item))
            pending.append(process)
            # A temporary copy of an event log lives only until the next item is asked for.
            while item.evtx != item.file and item.evtx and pending:
                yield _result(pending.popleft())
        while pending:
            yield _result(pending.popleft())

    def close(self) -> None:
        """End the processes and wait for them."""
        for process in self._processes:
            process.to.close()
            process.back.close()
        for process in self._processes:
            os.waitpid(process.pid, 0)
        self._processes.clear()


def _result(pending: _Process | Result) -> Result:
    if isinstance(pending, Result):
        return pending
    content = _read(pending.back)
    if content is None:
        raise DetectionError(f"worker process {pending.pid} ended before its work was done")
    return msgspec.msgpack.decode(content, type=Result)


def _serve(source: BufferedReader, target: BufferedWriter, do: Callable[[Work], Result]) -> None:
    """The life of a worker process. It never returns: its copy of the parent's state is nobody's business."""
    code = 1
    try:
        while (content := _read(source)) is not None:
            _write(target, msgspec.msgpack.encode(do(msgspec.msgpack.decode(content, type=Work))))
        code = 0
    except (BrokenPipeError, KeyboardInterrupt):
        code = 0  # the parent has gone
    finally:
        os._exit(code)


def _write(target: BufferedWriter, content: bytes) -> None:
    target.write(len(content).to_bytes(_LENGTH, "big"))
    target.write(content)
    target.flush()


def _read(source: BufferedReader) -> bytes | None:
    prefix = source.read(_LENGTH)
    if len(prefix) < _LENGTH:
        return None
    return source.read(int.from_bytes(prefix, "big"))
