"""The helper's loop: answers the main process, moves audit records, tends both; one thread, never waiting."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Callable

import msgspec

from agent.helper import channel, processes, verdict, watches
from agent.helper.audit import AuditLink
from agent.helper.exceptions import AuditError, OpenRefusedError
from agent.helper.files import AllowedFiles
from agent.helper.netlink import AuditSocket
from agent.helper.outflow import BATCH_BYTES, Outflow
from agent.helper.sift import WANTED, Sift

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.02
"""How long records may collect before they are read: far fewer wake-ups for 20 ms of delay."""

TEND_SECONDS = 5.0
HEAL_SECONDS = 1.0
"""At most so often is a change of the audit rules looked into, however often it happens."""

CONFIG_CHANGE, REPLACE = 1305, 1329


class Server:
    """Serves one main process after another; the audit link and what waits to be sent outlive them."""

    def __init__(self, files: AllowedFiles, link: AuditLink) -> None:
        self._files = files
        self._link = link
        self._outflow = Outflow()
        self._sift: Sift | None = None
        self._batch = bytearray(BATCH_BYTES)
        self._poll = selectors.DefaultSelector()
        self._main: tuple[socket.socket, socket.socket] | None = None
        self._watched: AuditSocket | None = None
        self._tended = 0.0
        self._next_tend = 0.0

    def watch_signals(self, wakeup: int) -> None:
        """Wake up for signals, through the descriptor that `signal.set_wakeup_fd` writes to."""
        self._poll.register(wakeup, selectors.EVENT_READ, "signal")

    def attach(self, requests: socket.socket, records: socket.socket) -> None:
        """Serve a new main process over these."""
        requests.setblocking(False)
        self._main = requests, records
        self._poll.register(requests, selectors.EVENT_READ, "request")

    def detach(self) -> None:
        """The main process ended; records are kept for the next one."""
        if self._main is None:
            return
        for channel_ in self._main:
            if channel_.fileno() in self._poll.get_map():
                self._poll.unregister(channel_)
            channel_.close()
        self._main = None

    def close(self) -> None:
        """Leave the audit system as it was found.

        Raises:
            AuditError: the kernel refused.
        """
        self._unwatch()
        self._link.give_back()

    def step(self, longest: float) -> None:
        """Wait at most `longest` seconds for something to do, and do it."""
        if self._watched:
            longest = min(longest, max(0.0, self._next_tend - time.monotonic()))
        for key, _ in self._poll.select(longest):
            if key.data == "signal":
                os.read(key.fd, 512)
            elif key.data == "request":
                self._take_request()
            elif key.data == "audit":
                time.sleep(GATHER_SECONDS)
                self._move()
        if self._watched and time.monotonic() >= self._next_tend:
            self._tend()
        self._send()

    def _take_request(self) -> None:
        assert self._main is not None
        requests, _ = self._main
        try:
            request = channel.receive_request(requests)
            if request is None:
                self._poll.unregister(requests)
                return
            self._answer(requests, request)
        except BlockingIOError:
            return
        except OSError as error:
            log.warning("the main process cannot be answered: %s", error.strerror)
            self._poll.unregister(requests)

    def _answer(self, peer: socket.socket, request: channel.Request) -> None:
        file: int | None = None
        answer: channel.Answer = channel.Done()
        try:
            match request:
                case channel.OpenFile(path, inode, after):
                    file = self._files.open(path, inode, after)
                case channel.ListProcesses():
                    file = _memory_file(processes.everything())
                case channel.ListWatched():
                    file = _memory_file(msgspec.json.encode(watches.names(self._link.places)))
                case channel.FindProcess(pid):
                    answer = channel.Done(processes.image_of(pid))
                case channel.ProbeAudit():
                    answer = channel.Probed(verdict.probe())
                case channel.StartAudit():
                    self._start()
        except OpenRefusedError as error:
            answer = channel.Refused(str(error), error.absent)
        except AuditError as error:
            answer = channel.Refused(str(error))
        try:
            channel.send(peer, answer, file)
        finally:
            if file is not None:
                os.close(file)

    def _start(self) -> None:
        if self._watched is None:
            self._link.take()
            self._sift = Sift()
            self._tended = time.monotonic()
            self._next_tend = self._tended + TEND_SECONDS
            self._watch()

    def _watch(self) -> None:
        self._watched = self._link.socket
        self._poll.register(self._watched, selectors.EVENT_READ, "audit")

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._poll.unregister(self._watched)
            self._watched = None

    def _move(self) -> None:
        """Everything the kernel has for us, into the queue."""
        assert self._watched is not None
        assert self._sift is not None
        used = len(self._batch)
        while used > len(self._batch) // 2:
            used = self._watched.drain(self._batch, 0, WANTED, self._sift.keeps)
            if used:
                self._put(bytes(memoryview(self._batch)[:used]))
        if REPLACE in self._watched.passed_over and self._link.mode == "owner":
            self._changing(self._link.give_way)
        if CONFIG_CHANGE in self._watched.passed_over:
            self._next_tend = min(self._next_tend, self._tended + HEAL_SECONDS)
        self._watched.passed_over.clear()

    def _tend(self) -> None:
        self._tended = time.monotonic()
        self._next_tend = self._tended + TEND_SECONDS
        self._changing(self._link.tend)
        self._put(b"")

    def _changing(self, step: Callable[[], None]) -> None:
        """Do what may exchange the audit socket for another. A refusal is told and tried again later."""
        watched = self._watched
        self._unwatch()
        try:
            step()
        except (AuditError, OSError) as error:
            log.warning("audit: %s", error)
        self._watch()
        if self._watched is not watched:
            self._next_tend = self._tended + HEAL_SECONDS

    def _put(self, batch: bytes) -> None:
        self._outflow.put(batch, self._link.mode, self._link.lost, self._link.overruns)

    def _send(self) -> None:
        """Send what waits. A full pipe is watched until it takes more; a broken one means that the main process
        ends, and the next one gets what waits."""
        if self._main is None:
            return
        _, records = self._main
        polled = records.fileno() in self._poll.get_map()
        try:
            self._outflow.send(records)
            waiting = bool(self._outflow)
        except OSError:
            waiting = False
        if waiting != polled:
            if polled:
                self._poll.unregister(records)
            else:
                self._poll.register(records, selectors.EVENT_WRITE, "records")


def _memory_file(data: bytes) -> int:
    file = os.memfd_create("lienphong-answer", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(file), "wb") as writer:
        writer.write(data)
    return file
