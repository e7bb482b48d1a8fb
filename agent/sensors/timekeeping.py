"""Whether the kernel's clock is kept right, and how far off it thinks it is: adjtimex(2), read only."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

STA_UNSYNC = 0x0040
STA_NANO = 0x2000


class _Timex(ctypes.Structure):
    """`struct timex` of sys/timex.h up to the fields used; the rest is room for the kernel to write into."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def timekeeping() -> Iterator[tuple[str, float]]:
    """`clock_synchronized` (0 or 1), and while it is, the offset that is being corrected and the largest error."""
    state = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(state)) < 0:
        # A sandbox that forbids the call; nothing can be said.
        return
    synchronized = not state.status & STA_UNSYNC
    yield "clock_synchronized", float(synchronized)
    if synchronized:
        yield "clock_offset_seconds", state.offset * (1e-9 if state.status & STA_NANO else 1e-6)
        yield "clock_max_error_seconds", state.maxerror * 1e-6
