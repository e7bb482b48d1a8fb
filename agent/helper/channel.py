"""What main process and helper say to each other over their socket pair, and how files travel along.

One request, one answer, each one packet (SOCK_SEQPACKET) of JSON; an open file travels beside its answer
(SCM_RIGHTS, unix(7)).
"""

from __future__ import annotations

import array
import socket
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from agent.helper.exceptions import SplitError
from agent.helper.verdict import Verdict

T = TypeVar("T")

MAX_PACKET_BYTES = 32 << 10
RIGHTS_BYTES = socket.CMSG_SPACE(4)


class OpenFile(Struct, frozen=True, tag="open"):
    """Open a configured log file for reading, or with `inode` the file of that number beside it whose name begins
    with its name: where it went when it was rotated; with `after` (ns) the next one written to last."""

    path: Annotated[str, Meta(max_length=4_096)]
    inode: int = 0
    after: int = 0


class ListProcesses(Struct, frozen=True, tag="processes"):
    """Every process with its program and command line, as a file."""


class ListWatched(Struct, frozen=True, tag="watched"):
    """Inode numbers and paths of the watched places and what lies in them, as a file."""


class FindProcess(Struct, frozen=True, tag="process"):
    """One process's program."""

    pid: Annotated[int, Meta(ge=1)]


class ProbeAudit(Struct, frozen=True, tag="probe"):
    """Whether process starts can be had; changes nothing."""


class StartAudit(Struct, frozen=True, tag="start"):
    """Take part in the audit system and send its records."""


Request = OpenFile | ListProcesses | ListWatched | FindProcess | ProbeAudit | StartAudit


class Done(Struct, frozen=True, omit_defaults=True, tag="done"):
    """It was done; a file comes along where one was asked for, `text` where a word was."""

    text: str = ""


class Refused(Struct, frozen=True, omit_defaults=True, tag="refused"):
    """It was not done. `absent`: there is no such thing."""

    message: str
    absent: bool = False


class Probed(Struct, frozen=True, tag="probed"):
    """The answer to `ProbeAudit`."""

    verdict: Verdict


Answer = Done | Refused | Probed

_requests = msgspec.json.Decoder(Request)
_answers = msgspec.json.Decoder(Answer)


def send(peer: socket.socket, message: Struct, file: int | None = None) -> None:
    """Send one packet, with an open file beside it.

    Raises:
        OSError: the peer is gone, or takes nothing more.
    """
    rights = [] if file is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))]
    peer.sendmsg([msgspec.json.encode(message)], rights)


def receive_request(peer: socket.socket) -> Request | None:
    """The next request; None when the peer is gone.

    Raises:
        SplitError: not a request.
        OSError: nothing to read, or the connection broke.
    """
    data = peer.recv(MAX_PACKET_BYTES)
    return _decode(_requests, data) if data else None


def receive_answer(peer: socket.socket) -> tuple[Answer, int | None]:
    """The next answer and the file that came with it.

    Raises:
        SplitError: the helper is gone, or this is not an answer.
        OSError: the connection broke, or nothing came in time.
    """
    data, rights, _, _ = peer.recvmsg(MAX_PACKET_BYTES, RIGHTS_BYTES, socket.MSG_CMSG_CLOEXEC)
    if not data:
        raise SplitError("the root helper is gone")
    files = array.array("i")
    for level, kind, payload in rights:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.frombytes(payload)
    return _decode(_answers, data), files[0] if files else None


def _decode(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise SplitError(f"between helper and main process: {error}") from error
