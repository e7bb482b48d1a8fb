"""What was released is read for ever, byte for byte, and so is what the next version may add."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from wire import batch, block, codec, version

HERE = Path(__file__).parent / "golden"
RELEASES = sorted(HERE.glob("v*"))
NAMES = sorted(path.stem for path in (HERE / "v1").glob("*.json"))


def read(name, release="v1"):
    return (HERE / release / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_read_as_what_they_were(name, golden):
    message = golden.MESSAGES[name]
    assert codec.decode(read(f"{name}.json"), type(message), name) == message


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_still_written_so(name, golden):
    assert codec.encode(golden.MESSAGES[name]) == read(f"{name}.json")


@pytest.mark.parametrize("name", NAMES)
def test_unknown_fields_of_the_next_version_do_no_harm(name, golden):
    message = golden.MESSAGES[name]
    later = codec.decode(read(f"next/{name}.json"), type(message), name)
    if hasattr(message, "v"):
        assert later.v == version.VERSION + 1
        version.check(later.v, name)
        later = msgspec.structs.replace(later, v=message.v)
    assert later == message


@pytest.mark.parametrize("name", NAMES)
def test_a_message_always_says_its_version(name, golden):
    if hasattr(golden.MESSAGES[name], "v"):
        assert msgspec.json.decode(read(f"{name}.json"))["v"] == 1


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_blocks_and_batches_of_every_release(release, golden):
    assert block.unpack((release / "block.zst").read_bytes()) == golden.BLOCK
    header, packed = batch.split((release / "batch.bin").read_bytes())
    assert header == golden.HEADER
    block.verify(header.blocks[0], packed[0])
    assert block.unpack(packed[0]) == golden.BLOCK


def test_a_batch_of_the_next_version(golden):
    header, packed = batch.split(read("next/batch.bin"))
    block.verify(header.blocks[0], packed[0])
    later = block.unpack(packed[0])
    assert (header.v, later.v) == (2, 2)
    assert later.all_events() == golden.BLOCK.all_events()


def test_nothing_of_the_golden_set_is_missing(golden):
    assert set(golden.files()) == {str(path.relative_to(HERE / "v1")) for path in (HERE / "v1").rglob("*.*")}


def test_the_encoding_of_today_fits_the_files(golden):
    for name, content in golden.files().items():
        if name.endswith(".json"):
            assert read(name) == content, name
