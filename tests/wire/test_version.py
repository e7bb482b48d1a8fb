"""Neighbours are accepted, others are told which side to upgrade."""

from __future__ import annotations

import msgspec
import pytest

from wire import batch, block, codec, version
from wire.errors import VersionError
from wire.identity import RenewRequest


@pytest.mark.parametrize("v", [version.VERSION - 1, version.VERSION, version.VERSION + 1])
def test_neighbours(v, golden):
    version.check(v, "message")
    packed = block.pack(msgspec.structs.replace(golden.BLOCK, v=v))
    assert block.unpack(packed).v == v
    header = msgspec.structs.replace(golden.HEADER, v=v, blocks=[])
    assert batch.split(batch.join(header, []))[0].v == v


@pytest.mark.parametrize("v", [version.VERSION - 2, version.VERSION + 2, 10**9, -1])
def test_others(v, golden):
    with pytest.raises(VersionError, match="upgrade the older side"):
        block.unpack(block.pack(msgspec.structs.replace(golden.BLOCK, v=v)))
    header = msgspec.structs.replace(golden.HEADER, v=v, blocks=[])
    with pytest.raises(VersionError):
        batch.split(batch.join(header, []))


def test_a_message_without_a_version_is_of_today():
    assert codec.decode(b'{"csr":"x"}', RenewRequest, "request").v == version.VERSION
