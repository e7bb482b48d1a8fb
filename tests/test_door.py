"""The doors between processes, over real sockets: both clients, bad questions, long paths, other accounts."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from collector.door import MAX_FRAME_BYTES, AsyncDoor, Door, DoorError, DoorServer, serve_door
from collector.messages import Accepted, Answer, Done, Fault, GatewayRequest

Result = TypeVar("Result")


class Answering:
    """A door answered in a thread of its own: `Done` with seq 0 raises, others echo their seq."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loop = asyncio.new_event_loop()
        self.server: DoorServer | None = None
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.open()

    async def handle(self, request: GatewayRequest) -> Answer:
        assert isinstance(request, Done)
        if request.seq == 0:
            raise ValueError("seq 0")
        if request.seq == 1:
            await asyncio.sleep(30)
        return Accepted(count=request.seq)

    def open(self) -> None:
        self.server = self._do(serve_door(self.path, GatewayRequest, self.handle))

    def close(self) -> None:
        assert self.server is not None
        self._do(self.server.close())

    def end(self) -> None:
        self.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def _do(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    directory = tmp_path / ("deep" * 20) / ("deeper" * 20)
    directory.mkdir(parents=True)
    made = Answering(directory / "gateway.sock")
    yield made
    made.end()


def done(seq: int) -> Done:
    return Done(consumer="detector", seq=seq)


def test_questions_and_answers_on_a_path_longer_than_the_kernels_limit(answering: Answering) -> None:
    assert len(str(answering.path)) > 108
    with Door(answering.path) as door:
        assert [door.ask(done(n)) for n in (5, 6, 7)] == [Accepted(count=n) for n in (5, 6, 7)]


def test_many_at_once_go_side_by_side(answering: Answering) -> None:
    async def ask() -> list[Answer]:
        door = AsyncDoor(answering.path)
        try:
            return list(await asyncio.gather(*(door.ask(done(n)) for n in range(2, 40))))
        finally:
            await door.close()

    assert asyncio.run(ask()) == [Accepted(count=n) for n in range(2, 40)]


def test_a_handler_that_raises_is_a_fault_and_the_door_stays_open(answering: Answering) -> None:
    with Door(answering.path) as door:
        fault = door.ask(done(0))
        assert isinstance(fault, Fault)
        assert (fault.code, fault.retry) == ("internal", True)
        assert door.ask(done(3)) == Accepted(count=3)


def test_no_answer_in_time_is_an_error(answering: Answering) -> None:
    with Door(answering.path) as door:
        with pytest.raises(DoorError, match="no answer"):
            door.ask(done(1), timeout=0.2)
        assert door.ask(done(4)) == Accepted(count=4)


def test_nobody_there_is_an_error_and_coming_back_is_noticed(answering: Answering) -> None:
    with Door(answering.path) as door:
        assert door.ask(done(2)) == Accepted(count=2)
        answering.close()
        with pytest.raises(DoorError):
            door.ask(done(2))
        answering.open()
        assert door.ask(done(9)) == Accepted(count=9)


@pytest.mark.parametrize(
    "frame",
    [b"\x00\x00\x00\x02\xff\xff", struct.pack(">I", MAX_FRAME_BYTES + 1), b"\x00\x00", b"\x00\x00\x00\x01\xc0"],
)
def test_noise_harms_nobody(answering: Answering, frame: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as noisy:
        directory = os.open(answering.path.parent, os.O_PATH)
        noisy.connect(f"/proc/self/fd/{directory}/{answering.path.name}")
        os.close(directory)
        noisy.sendall(frame)
        with Door(answering.path) as door:
            assert door.ask(done(8)) == Accepted(count=8)


@pytest.mark.root
def test_another_account_is_not_answered(tmp_path: Path) -> None:
    answering = Answering(tmp_path / "x.sock")
    try:
        for path in (tmp_path, *tmp_path.parents[:2]):
            path.chmod(0o755)
        answering.path.chmod(0o666)
        code = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            "s.sendall(b'\\0\\0\\0\\1\\xc0'); print(s.recv(10))"
        )
        stranger = subprocess.run(
            [sys.executable, "-c", code, str(answering.path)],
            user=65_534,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert stranger.stdout.strip() in ("b''", "")
        assert "Permission" not in stranger.stderr
    finally:
        answering.end()
