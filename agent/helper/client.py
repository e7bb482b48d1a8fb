"""The main process's side: what it asks of the helper, and the stream of audit records it gets."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from agent.exceptions import HelperError
from agent.helper import channel, netlink, processes
from agent.helper.exceptions import AuditError, OpenRefusedError
from agent.helper.outflow import BATCH_BYTES, HEAD, MODES
from agent.helper.verdict import Verdict

ANSWER_SECONDS = 10.0


class RecordBatch(Struct, frozen=True):
    """Records as they came from the kernel, (type, text) each, and how many never came since the batch before:
    lost by the kernel, lost by the helper (its queue was full), and how often the kernel found the helper too slow
    to take an unknown number of them."""

    mode: str
    lost_by_kernel: int
    lost_by_helper: int
    overruns: int
    records: list[tuple[int, bytes]]


class HelperClient:
    """Safe to use from any thread; `records` from one."""

    def __init__(self, requests: socket.socket, records: socket.socket) -> None:
        self._requests = requests
        self._requests.settimeout(ANSWER_SECONDS)
        self._records = records
        self._lock = threading.Lock()

    def open_log(self, path: str, inode: int = 0, after: int = 0) -> int:
        """A descriptor of a configured log file, or of where it went when it was rotated (see
        `files.AllowedFiles.open`); the caller closes it.

        Raises:
            OpenRefusedError: not configured, not there, or not a plain file.
            HelperError: the helper is gone.
        """
        answer, file = self._ask(channel.OpenFile(path, inode, after))
        if isinstance(answer, channel.Refused):
            raise OpenRefusedError(answer.message, answer.absent)
        if file is None:
            raise HelperError(f"{path}: the helper answered without a file")
        return file

    def processes(self) -> list[processes.ProcessInfo]:
        """Every process with its program and command line.

        Raises:
            HelperError: the helper is gone.
        """
        return processes.parse(self._listed(channel.ListProcesses()))

    def watched(self) -> dict[str, str]:
        """The watched places and what lies directly in them: `dev inode` → path.

        Raises:
            HelperError: the helper is gone.
        """
        return msgspec.json.decode(self._listed(channel.ListWatched()), type=dict[str, str])

    def image_of(self, pid: int) -> str:
        """The program a process runs, empty when it is gone.

        Raises:
            HelperError: the helper is gone.
        """
        answer, _ = self._ask(channel.FindProcess(pid))
        return answer.text if isinstance(answer, channel.Done) else ""

    def probe_audit(self) -> Verdict:
        """Whether process starts can be had.

        Raises:
            HelperError: the helper is gone.
        """
        answer, _ = self._ask(channel.ProbeAudit())
        if not isinstance(answer, channel.Probed):
            raise HelperError("the helper did not say whether auditing works")
        return answer.verdict

    def start_audit(self) -> None:
        """Have the records sent; asking again is harmless.

        Raises:
            AuditError: the audit system cannot be used; the text says why.
            HelperError: the helper is gone.
        """
        answer, _ = self._ask(channel.StartAudit())
        if isinstance(answer, channel.Refused):
            raise AuditError(answer.message)

    def records(self, stop: threading.Event, poll_seconds: float = 0.5) -> Iterator[RecordBatch]:
        """Batches as they come, until `stop` is set and none waits.

        Raises:
            HelperError: the helper is gone.
        """
        while True:
            if not select.select([self._records], [], [], 0 if stop.is_set() else poll_seconds)[0]:
                if stop.is_set():
                    return
                continue
            packet = self._records.recv(HEAD.size + BATCH_BYTES)
            if not packet:
                raise HelperError("the root helper is gone")
            mode, lost, dropped, overruns = HEAD.unpack_from(packet)
            yield RecordBatch(MODES[mode], lost, dropped, overruns, list(netlink.split(packet[HEAD.size :])))

    def _listed(self, request: channel.Request) -> bytes:
        _, file = self._ask(request)
        if file is None:
            raise HelperError("the helper answered without a list")
        with os.fdopen(file, "rb") as lines:
            lines.seek(0)
            return lines.read()

    def _ask(self, request: channel.Request) -> tuple[channel.Answer, int | None]:
        with self._lock:
            try:
                channel.send(self._requests, request)
                return channel.receive_answer(self._requests)
            except OSError as error:
                self._requests.close()
                raise HelperError(f"the root helper does not answer: {error}") from error
