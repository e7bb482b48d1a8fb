"""Lines of system logs: who wrote what when. Traditional (`Nov 24 18:30:26 host sshd[812]: …`), the same with ISO
8601 time stamps, RFC 5424, each with or without its priority, and bare text as `sshd -E` writes it.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from msgspec import Struct

_PRIORITY = r"(?:<\d{1,3}>)?"
_TAG = r"(?P<host>\S{1,255}) (?P<program>[^\s:\[]{1,128})(?:\[(?P<pid>\d{1,10})\])?:(?: |$)(?P<message>.*)"
_TRADITIONAL = re.compile(
    rf"{_PRIORITY}(?P<month>[A-Z][a-z]{{2}}) (?P<day>[ \d]\d) (?P<clock>\d\d:\d\d:\d\d) {_TAG}", re.DOTALL
)
_ISO = re.compile(rf"{_PRIORITY}(?P<iso>\d{{4}}-\d\d-\d\dT[0-9:.,+Z-]{{8,32}}) {_TAG}", re.DOTALL)
_RFC5424 = re.compile(
    r"(?:<\d{1,3}>)?1 (?P<iso>\d{4}-\d\d-\d\dT[0-9:.+Z-]{8,32}) (?P<host>\S{1,255}) (?P<program>\S{1,128}) "
    r"(?P<pid>\S{1,128}) \S{1,32} (?:-|(?:\[(?:[^\]\\]|\\.){0,8192}\])+)(?: \ufeff?(?P<message>.*))?",
    re.DOTALL,
)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

AHEAD_SECONDS = 86_400
"""A time without a year that is further ahead than this is last year's."""


class LogLine(Struct, frozen=True, kw_only=True):
    """`program` is empty, and `time_us` None, for bare text."""

    time_us: int | None = None
    host: str = ""
    program: str = ""
    pid: int | None = None
    message: str


def parse(line: str, now_us: int) -> LogLine:
    """Take a line apart; `now_us` (µs UTC) tells the year where the line does not. Never fails: what is not
    understood is bare text."""
    found = _ISO.fullmatch(line) or _TRADITIONAL.fullmatch(line) or _RFC5424.fullmatch(line)
    if found is None:
        return LogLine(message=line)
    parts = found.groupdict()
    when = _iso_us(parts["iso"]) if "iso" in parts else _traditional_us(parts, now_us)
    if when is None:
        return LogLine(message=line)
    pid = parts["pid"] or ""
    return LogLine(
        time_us=when,
        host=parts["host"],
        program=parts["program"].rpartition("/")[2],
        pid=int(pid) if pid.isdecimal() and len(pid) <= 10 else None,
        message=parts["message"] or "",
    )


def _iso_us(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text.replace(",", "."))
        if when.tzinfo is None:
            when = when.astimezone()
        return max(0, round(when.timestamp() * 1_000_000))
    except (ValueError, OverflowError, OSError):
        return None


def _traditional_us(parts: dict[str, str | None], now_us: int) -> int | None:
    """Local time, as the writer of the log had it; of the candidates the latest that is not in the future."""
    name = parts["month"] or ""
    hour, minute, second = (int(part) for part in (parts["clock"] or "").split(":"))
    if name not in _MONTHS or hour > 23 or minute > 59 or second > 60:
        return None
    now = now_us / 1_000_000
    this_year = datetime.fromtimestamp(now, UTC).astimezone().year
    month, day = _MONTHS.index(name) + 1, int(parts["day"] or 0)
    for year in (this_year + 1, this_year, this_year - 1):
        seconds = time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
        if seconds <= now + AHEAD_SECONDS:
            return max(0, int(seconds) * 1_000_000)
    return None
