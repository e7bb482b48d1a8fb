"""Requests and answers between main process and helper."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.helper import channel
from agent.helper.exceptions import SplitError


def test_a_file_travels_beside_its_answer(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("hello")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, path.open("rb") as file:
        channel.send(ours, channel.Done(), file.fileno())
        answer, received = channel.receive_answer(theirs)
        assert answer == channel.Done()
        assert received is not None
        with os.fdopen(received, "rb") as copy:
            assert copy.read() == b"hello"


@given(st.binary(min_size=1, max_size=200))
def test_what_is_no_request_is_refused(data: bytes) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.send(data)
        with pytest.raises(SplitError, match="between helper and main process"):
            channel.receive_request(theirs)


def test_the_end_of_the_helper_is_told() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        ours.close()
        with pytest.raises(SplitError, match="helper is gone"):
            channel.receive_answer(theirs)
        assert channel.receive_request(theirs) is None
