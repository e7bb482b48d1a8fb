"""The queue of records: bounded, and honest about what it dropped."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from agent.helper import netlink, outflow
from agent.helper.outflow import HEAD, MAX_WAITING_BYTES, Outflow

TEXT = b"x" * 4_000
RECORD = netlink.HEADER.pack(netlink.HEADER_BYTES + len(TEXT), 1_300, 0, 0, 0) + TEXT
BATCH = RECORD * 10


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.setblocking(False)
        yield ours, theirs


def drain(queue: Outflow, pair: tuple[socket.socket, socket.socket]) -> Iterator[tuple[tuple[int, ...], bytes]]:
    while queue:
        queue.send(pair[0])
        while True:
            try:
                packet = pair[1].recv(outflow.BATCH_BYTES + HEAD.size)
            except BlockingIOError:
                break
            yield HEAD.unpack_from(packet), packet[HEAD.size :]


def test_a_reader_that_does_not_read_costs_neither_time_nor_more_than_the_bound(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    queue, put = Outflow(), 400
    for _ in range(put):
        queue.put(BATCH, "owner", 0, 0)
        queue.send(pair[0])
    assert 0 < queue._bytes <= MAX_WAITING_BYTES
    arrived = [batch for _, batch in drain(queue, pair)]
    queue.put(b"", "owner", 0, 0)
    (((_, _, dropped, _), _),) = drain(queue, pair)
    assert all(batch == BATCH for batch in arrived)
    assert dropped == 10 * (put - len(arrived)) > 0


def test_each_loss_is_told_once(pair: tuple[socket.socket, socket.socket]) -> None:
    queue = Outflow()
    queue.put(BATCH, "owner", 5, 1)
    queue.put(b"", "owner", 5, 1)
    queue.put(b"", "beside", 8, 1)
    assert [head for head, _ in drain(queue, pair)] == [(1, 5, 0, 1), (2, 3, 0, 0)]


def test_what_waits_outlives_its_reader(pair: tuple[socket.socket, socket.socket]) -> None:
    queue = Outflow()
    queue.put(BATCH, "owner", 0, 0)
    pair[1].close()
    with pytest.raises(OSError):
        queue.send(pair[0])
    assert queue
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.setblocking(False)
        assert [batch for _, batch in drain(queue, (ours, theirs))] == [BATCH]
