"""What an answer of the collector means for the parcel that was sent."""

from __future__ import annotations

from agent.connection import Answer
from agent.exceptions import UplinkError
from wire import codec
from wire import version as wire_version
from wire.batch import Receipt
from wire.errors import WireError

PARCEL_CODES = {"malformed", "too_large", "hash_mismatch"}
"""What a 400 says of the parcel itself: sent again as it is, it would be refused again."""


class DoorClosedError(UplinkError):
    """The collector refuses this agent (revoked, quarantined, …), or is none: only a person can mend that."""


class ParcelRefusedError(UplinkError):
    """The collector does not take this parcel as it is."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LaterError(UplinkError):
    """The collector cannot take it now; `retry_after` is in seconds, 0 when it named no time."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def receipt(answer: Answer) -> Receipt:
    """The receipt in an answer.

    Raises:
        ParcelRefusedError: send less at once, or give the block up.
        LaterError: send the same again, later.
        DoorClosedError: try again rarely, and tell people.
        UplinkError: not understood; try again as after a lost connection.
    """
    if answer.status != 200:
        raise _refusal(answer)
    try:
        decoded = codec.decode(answer.body, Receipt, "receipt")
        wire_version.check(decoded.v, "receipt")
    except WireError as error:
        raise UplinkError(f"the collector's receipt is not understood: {error}") from error
    return decoded


def _refusal(answer: Answer) -> UplinkError:
    problem = answer.problem()
    code = problem.code if problem else f"status {answer.status}"
    text = f"the collector refused: {problem.title} {problem.detail}".rstrip() if problem else "not our collector"
    text = f"{text} ({code})"
    retry_after = max(problem.retry_after if problem else 0.0, _seconds(answer.headers.get("retry-after", "")))
    if answer.status == 413 or (answer.status == 400 and code in PARCEL_CODES):
        return ParcelRefusedError(code, text)
    if answer.status in (408, 429) or answer.status >= 500:
        return LaterError(text, retry_after)
    return DoorClosedError(text)


def _seconds(header: str) -> float:
    """The header's delay in seconds (RFC 9110, 10.2.3); 0 for none and for a date: clocks may disagree."""
    return float(header) if header.isascii() and header.isdigit() else 0.0
