"""The kernel's audit socket: requests with their acknowledgements, and records drained in batches.

NETLINK_AUDIT, linux/audit.h and linux/netlink.h. A batch is the kernel's messages one behind the other, each with
its 16-byte header (RFC 3549), whose length is set to what was received: the kernel itself leaves the header's own
size out of it in some versions.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator

from agent.helper.exceptions import AuditError

NETLINK_AUDIT = 9
GROUP_READLOG = 1
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
SO_RCVBUFFORCE = 33

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST_ACK = 0x5

HEADER = struct.Struct("=IHHII")
HEADER_BYTES = HEADER.size
MAX_RECORD_BYTES = 16 << 10
"""More than the kernel writes into one record (MAX_AUDIT_MESSAGE_LENGTH, 8,970)."""

RECEIVE_BUFFER_BYTES = 16 << 20
"""Kernel memory, used only while records wait: about 7,000 of them, or a thousand process starts."""

ANSWER_SECONDS = 2.0

Keeps = Callable[[int, memoryview], bool]
"""Whether a record of this type and text is kept."""


class AuditSocket:
    """One socket to the audit system. Records that arrive between a request and its answer wait for `drain`."""

    def __init__(self, listen: bool = False) -> None:
        """With `listen`, records are heard beside whoever owns them (multicast); needs CAP_AUDIT_READ.

        Raises:
            AuditError: no audit in this kernel, or no privilege.
        """
        self.overruns = 0
        self.passed_over: set[int] = set()
        """Types of records that `drain` met and did not want; for the reader to look at and clear."""
        self._early: list[bytes] = []
        self._sequence = 0
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_AUDIT)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
            self._socket.bind((0, 0))
            if listen:
                self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, GROUP_READLOG)
        except OSError as error:
            raise AuditError(f"cannot open the kernel's audit socket: {error.strerror}") from error
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """For polling."""
        return self._socket.fileno()

    def close(self) -> None:
        """Let go; the kernel forgets us as owner with the next record it cannot deliver."""
        self._socket.close()

    def request(self, kind: int, payload: bytes = b"") -> list[bytes]:
        """Send one request and return the payloads of its answers, once the kernel has acknowledged it.

        Raises:
            AuditError: refused (`__cause__` is the OSError with its errno) or no answer in time.
        """
        self._sequence += 1
        message = HEADER.pack(HEADER_BYTES + len(payload), kind, NLM_F_REQUEST_ACK, self._sequence, 0) + payload
        self._socket.send(message)
        answers: list[bytes] = []
        acknowledged, complete = False, kind not in ANSWERED
        for type_, sequence, data in self._answers():
            if sequence != self._sequence or type_ not in (NLMSG_ERROR, NLMSG_DONE, kind):
                self._early.append(data)
                continue
            if type_ == NLMSG_ERROR:
                _raise_for(kind, data)
                acknowledged = True
            elif type_ == kind:
                answers.append(data[HEADER_BYTES:])
            complete = complete or type_ == NLMSG_DONE or (kind == AUDIT_GET and bool(answers))
            if acknowledged and complete:
                break
        return answers

    def drain(
        self, batch: bytearray, used: int, wanted: frozenset[int], keeps: Keeps = lambda _kind, _text: True
    ) -> int:
        """Put waiting records of the wanted types into `batch` from offset `used`, without waiting, until none is
        left or another might not fit; `keeps` is asked about each of them. Returns the new offset."""
        view = memoryview(batch)
        receive = self._socket.recv_into
        unpack, set_size, passed_over = HEADER.unpack_from, struct.pack_into, self.passed_over.add
        used = self._drain_early(view, used, wanted, keeps)
        while used + MAX_RECORD_BYTES <= len(batch):
            try:
                size = receive(view[used:])
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            kind = unpack(batch, used)[1]
            if kind not in wanted:
                passed_over(kind)
            elif keeps(kind, view[used + HEADER_BYTES : used + size]):
                set_size("=I", batch, used, size)
                used += size
        return used

    def _drain_early(self, view: memoryview, used: int, wanted: frozenset[int], keeps: Keeps) -> int:
        for place, data in enumerate(self._early):
            if used + MAX_RECORD_BYTES > len(view):
                del self._early[:place]
                return used
            kind = HEADER.unpack_from(data)[1]
            if kind not in wanted:
                self.passed_over.add(kind)
                continue
            if not keeps(kind, memoryview(data)[HEADER_BYTES:]):
                continue
            view[used : used + len(data)] = data
            struct.pack_into("=I", view, used, len(data))
            used += len(data)
        self._early.clear()
        return used

    def _answers(self) -> Iterator[tuple[int, int, bytes]]:
        deadline = time.monotonic() + ANSWER_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                break
            try:
                data = self._socket.recv(MAX_RECORD_BYTES)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            _, type_, _, sequence, _ = HEADER.unpack_from(data)
            yield type_, sequence, data
        raise AuditError(f"the kernel's audit system did not answer within {ANSWER_SECONDS:g} s")


AUDIT_GET = 1000
AUDIT_SET = 1001
AUDIT_ADD_RULE = 1011
AUDIT_DEL_RULE = 1012
AUDIT_LIST_RULES = 1013

ANSWERED = frozenset({AUDIT_GET, AUDIT_LIST_RULES})
"""Requests that are answered with more than an acknowledgement."""

NAMES = {
    AUDIT_GET: "AUDIT_GET",
    AUDIT_SET: "AUDIT_SET",
    AUDIT_ADD_RULE: "AUDIT_ADD_RULE",
    AUDIT_DEL_RULE: "AUDIT_DEL_RULE",
    AUDIT_LIST_RULES: "AUDIT_LIST_RULES",
}


def split(batch: bytes) -> Iterator[tuple[int, bytes]]:
    """Take a batch apart into (record type, text).

    Raises:
        AuditError: its lengths do not add up.
    """
    place, end = 0, len(batch)
    unpack = HEADER.unpack_from
    while place < end:
        if place + HEADER_BYTES > end:
            raise AuditError(f"audit batch: {end - place} bytes are left over")
        size, type_, _, _, _ = unpack(batch, place)
        if not HEADER_BYTES <= size <= end - place:
            raise AuditError(f"audit batch: a record at {place} claims {size} bytes of {end - place}")
        yield type_, batch[place + HEADER_BYTES : place + size]
        place += size


def _raise_for(kind: int, data: bytes) -> None:
    (code,) = struct.unpack_from("=i", data, HEADER_BYTES)
    if code:
        cause = OSError(-code, os.strerror(-code))
        raise AuditError(f"the kernel refused {NAMES.get(kind, kind)}: {cause.strerror}") from cause
