"""Records on their way from the helper to the main process: never waited for, bounded, every drop told.

A packet is a head (mode; since the packet before: records lost by the kernel, records dropped here, times that the
kernel found us too slow) and a batch of records as `netlink.split` takes them apart.
"""

from __future__ import annotations

import socket
import struct
from collections import deque

from agent.helper import netlink

HEAD = struct.Struct("=BQQQ")
BATCH_BYTES = 64 << 10
"""Below what a socket pair takes in one packet by default (net.core.wmem_default, 212,992)."""

MAX_WAITING_BYTES = 4 << 20
"""About 4,000 process starts: a main process that restarts finds them."""

MODES = ("off", "owner", "beside")


class Outflow:
    """A queue that outlives the main process it feeds."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._told = ("off", 0, 0, 0)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, batch: bytes, mode: str, lost: int, overruns: int) -> None:
        """Queue a batch; an empty one only when there is news. `lost` and `overruns` are totals."""
        if self._bytes + len(batch) > MAX_WAITING_BYTES:
            self._dropped += sum(1 for _ in netlink.split(batch))
            return
        now = (mode, lost, self._dropped, overruns)
        if not batch and now == self._told:
            return
        news = (total - told for total, told in zip(now[1:], self._told[1:], strict=True))
        head = HEAD.pack(MODES.index(mode), *news)
        self._told = now
        self._waiting.append(head + batch)
        self._bytes += HEAD.size + len(batch)

    def send(self, peer: socket.socket) -> None:
        """Send what the peer takes at once.

        Raises:
            OSError: the peer is gone; nothing that was not sent is forgotten.
        """
        while self._waiting:
            try:
                peer.send(self._waiting[0], socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            self._bytes -= len(self._waiting.popleft())
