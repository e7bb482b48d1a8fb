"""The door between two of the collector's processes: typed questions and answers on a Unix socket.

A frame is a four-byte big-endian length and one msgpack message of `messages.py`. A connection carries one
question and one answer at a time; whoever has more to ask at once opens more connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from collector.exceptions import CollectorError
from collector.messages import Answer, Fault

MAX_FRAME_BYTES = 64 << 20
"""The largest is a fetch of 64 blocks of 1 MiB."""

MODE = 0o660
BACKLOG = 64

_LENGTH = struct.Struct(">I")
_PEER = struct.Struct("3i")
_encoder = msgspec.msgpack.Encoder()
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)

Request = TypeVar("Request")
Handler = Callable[[Request], Awaitable[Answer]]

log = logging.getLogger(__name__)


class DoorError(CollectorError):
    """The process behind a door cannot be reached, or did not answer in time: ask again later."""


class DoorServer:
    """A door that is being answered; `close` takes the socket away and ends its connections."""

    def __init__(self, path: Path, server: asyncio.Server, connections: set[asyncio.Task[None]]) -> None:
        self._path = path
        self._server = server
        self._connections = connections

    async def close(self) -> None:
        """Stop answering; questions under way are given up and will be asked again."""
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


async def serve_door(
    path: Path, request_type: object, handler: Handler[Request], *, allowed_uids: Collection[int] = ()
) -> DoorServer:
    """Answer questions of `request_type` (a union of tagged structs) at `path` with what `handler` returns.

    Only root, the own account and `allowed_uids` are answered (SO_PEERCRED); others are disconnected.
    A handler that raises is logged and answered with a `Fault` of code `internal`, for another try.

    Raises:
        DoorError: the socket cannot be made there.
    """
    decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(request_type)
    allowed = {0, os.geteuid(), *allowed_uids}
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            if _peer_uid(writer) in allowed:
                await _converse(reader, writer, decoder, handler)
            else:
                log.warning("%s: refused a process of user %d", path.name, _peer_uid(writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            log.debug("%s: connection ended", path.name)
        except asyncio.CancelledError:
            log.debug("%s: closing", path.name)
        finally:
            connections.discard(task)
            writer.close()

    try:
        listener = _listen(path)
    except OSError as error:
        raise DoorError(f"{path}: cannot listen: {error.strerror}") from error
    server = await asyncio.start_unix_server(connected, sock=listener, limit=1 << 20)
    return DoorServer(path, server, connections)


class Door:
    """A blocking client, for one thread at a time. Connects when first asked, and again after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def ask(self, request: msgspec.Struct, timeout: float = 30.0) -> Answer:
        """Ask and wait up to `timeout` seconds for the answer (a `Fault` is an answer).

        Raises:
            DoorError: nobody answers; the question may or may not have been acted on.
        """
        try:
            if self._socket is None:
                self._socket = _connect(self._path, timeout)
            self._socket.settimeout(timeout)
            self._socket.sendall(_frame(request))
            return _answers.decode(self._receive())
        except (OSError, EOFError, msgspec.DecodeError) as error:
            self.close()
            raise DoorError(f"{self._path.name}: no answer ({error})") from error

    def close(self) -> None:
        """Give the connection up; the next question makes a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self) -> bytes:
        return self._exactly(_checked(_LENGTH.unpack(self._exactly(_LENGTH.size))[0]))

    def _exactly(self, size: int) -> bytes:
        assert self._socket is not None
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            count = self._socket.recv_into(view)
            if count == 0:
                raise EOFError("connection closed")
            view = view[count:]
        return bytes(buffer)


class AsyncDoor:
    """The same for an event loop. Questions asked at once go over connections of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: msgspec.Struct, timeout: float = 30.0) -> Answer:  # noqa: ASYNC109 - as Door.ask
        """Ask and wait up to `timeout` seconds for the answer (a `Fault` is an answer).

        Raises:
            DoorError: nobody answers; the question may or may not have been acted on.
        """
        try:
            async with asyncio.timeout(timeout), self._connection() as (reader, writer):
                writer.write(_frame(request))
                await writer.drain()
                return _answers.decode(await _read(reader))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
            raise DoorError(f"{self._path.name}: no answer ({error})") from error

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[1].close()

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """An idle connection that is still alive, or a new one; it is kept only if the exchange was whole."""
        pair = None
        while self._idle and pair is None:
            pair = self._idle.pop()
            if pair[0].at_eof():
                pair[1].close()
                pair = None
        if pair is None:
            with _reachable(self._path) as name:
                pair = await asyncio.open_unix_connection(name, limit=1 << 20)
        whole = False
        try:
            yield pair
            whole = True
        finally:
            if whole:
                self._idle.append(pair)
            else:
                pair[1].close()


async def _converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    decoder: msgspec.msgpack.Decoder[Request],
    handler: Handler[Request],
) -> None:
    while True:
        frame = await _read(reader)
        writer.write(_frame(await _answer(frame, decoder, handler)))
        await writer.drain()


async def _answer(frame: bytes, decoder: msgspec.msgpack.Decoder[Request], handler: Handler[Request]) -> Answer:
    try:
        return await handler(decoder.decode(frame))
    except msgspec.DecodeError as error:
        return Fault(code="malformed", detail=str(error))
    except Exception as error:  # one bad question must not take the process down
        log.exception("a question could not be answered")
        return Fault(code="internal", detail=f"{type(error).__name__}: {error}", retry=True)


async def _read(reader: asyncio.StreamReader) -> bytes:
    size = _checked(_LENGTH.unpack(await reader.readexactly(_LENGTH.size))[0])
    return await reader.readexactly(size)


def _checked(size: int) -> int:
    if size > MAX_FRAME_BYTES:
        raise ConnectionError(f"a frame of {size} bytes; the limit is {MAX_FRAME_BYTES}")
    return size


def _frame(message: object) -> bytes:
    content = _encoder.encode(message)
    _checked(len(content))
    return _LENGTH.pack(len(content)) + content


def _listen(path: Path) -> socket.socket:
    """Bind under a temporary name and rename: a client finds a socket that answers, or none."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        with _reachable(temporary) as name:
            listener.bind(name)
        temporary.chmod(MODE)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        temporary.replace(path)
    except OSError:
        listener.close()
        raise
    return listener


def _connect(path: Path, timeout: float) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    try:
        with _reachable(path) as name:
            client.connect(name)
    except OSError:
        client.close()
        raise
    return client


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name for the socket short enough for the kernel (108 bytes), however deep the directory lies."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    """The account of the process at the other end, as the kernel knows it."""
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(peer)[1])
