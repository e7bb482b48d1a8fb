"""What a field's value means to a rule: as text, as a number, as a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from math import isfinite

Scalar = str | int | float | bool | None

_NUMBER = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+-]?\d{1,4})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 100_000_000_000
_MICROSECONDS_FROM = 100_000_000_000_000
_LATEST_US = 253_402_300_800_000_000


def text_of(value: object) -> str | None:
    """A scalar as the text that rules compare with; `None` for null and for what is not a scalar.

    Booleans read `true` and `false`, as in Windows' own rendering; a float without a fraction reads like an
    integer, so that `4688`, `"4688"` and `4688.0` are the same value.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() < 1_024 else hex(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    return None


def number_of(text: str) -> int | float | None:
    """The decimal number that the text is, or `None`; hexadecimal, infinities and separators are not numbers."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if isfinite(number) else None
    return None


def moment_of(text: str) -> datetime | None:
    """The moment that the text names, UTC: ISO 8601, Sysmon's `UtcTime`, or an epoch in s, ms or µs by
    magnitude."""
    number = number_of(text)
    if number is not None:
        return _moment_of_epoch(number)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else _to_utc(moment)


def _moment_of_epoch(number: int | float) -> datetime | None:
    if number >= _MICROSECONDS_FROM:
        microseconds = int(number)
    elif number >= _MILLISECONDS_FROM:
        microseconds = int(number * 1_000)
    else:
        microseconds = int(number * 1_000_000)
    if not 0 <= microseconds < _LATEST_US:
        return None
    return _EPOCH + timedelta(microseconds=microseconds)


def _to_utc(moment: datetime) -> datetime | None:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # year 1 or 9999 shifted over the edge
        return None
