"""The spool: bounds, durability, losses that are counted, and files that are not ours."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time

import pytest

from agent.config import SpoolConfig
from agent.exceptions import SpoolClosedError
from agent.spoolfile import Owner
from agent.tally import Tally
from wire import block
from wire.batch import Receipt, Refusal
from wire.event import Event, Logsource
from wire.health import HealthSample

OWNER = Owner("abcdefghij234567", "machine", "boot")


def deliver(spool, max_bytes=1 << 20):
    """Take everything out as an acknowledging collector would; the events and the gaps."""
    events, gaps = [], []
    while parcel := spool.pending(max_bytes):
        for ref, packed in zip(parcel.refs, parcel.packed, strict=True):
            block.verify(ref, packed)
            events += block.unpack(packed).all_events()
        gaps += parcel.gaps
        spool.acknowledge(parcel, Receipt(time=1, stored=[(ref.lane, ref.block) for ref in parcel.refs]))
    return events, gaps


def numbers(events):
    return [event.fields["n"] for event in events if "n" in event.fields]


def test_a_parcel_is_byte_identical_until_acknowledged(make_spool, make_event):
    spool = make_spool()
    spool.put("security", [make_event(i) for i in range(5)])
    assert spool.flush(5)
    first, second = spool.pending(1 << 20), spool.pending(1 << 20)
    assert first == second
    spool.close(5)
    again = make_spool().pending(1 << 20)
    assert again.packed == first.packed
    assert again.refs == first.refs


def test_urgent_goes_first_and_lanes_have_their_own_numbers(make_spool, make_event):
    spool = make_spool()
    for lane in ("routine", "security", "urgent"):
        spool.put(lane, [make_event(1)])
    assert spool.flush(5)
    parcel = spool.pending(1 << 20)
    assert [(ref.lane, ref.block) for ref in parcel.refs] == [("urgent", 1), ("security", 1), ("routine", 1)]


def test_one_flush_makes_everything_before_it_durable(make_spool, make_event):
    spool = make_spool(config=SpoolConfig(routine_delay_seconds=60, delay_seconds=10, min_free_bytes=0))
    spool.put("routine", [make_event(1)])
    spool.put("urgent", [make_event(2)])
    deadline = time.monotonic() + 5
    while sum(spool.state().events.values()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert numbers(deliver(spool)[0]) == [2, 1]


def test_delays_are_kept(make_spool, make_event):
    spool = make_spool(config=SpoolConfig(delay_seconds=0.1, min_free_bytes=0))
    spool.ready.clear()
    started = time.monotonic()
    spool.put("security", [make_event(1)])
    assert spool.ready.wait(5)
    assert 0.09 < time.monotonic() - started < 1


def test_bookmarks_are_durable_with_their_events(make_spool, make_event):
    spool = make_spool()
    spool.put("security", [make_event(1)], ("logs:/x", b"one"))
    assert spool.flush(5)
    assert spool.bookmark("logs:/x") == b"one"
    spool.put("security", [], ("logs:/x", b"two"))
    spool.close(5)
    again = make_spool()
    assert again.bookmark("logs:/x") == b"two"
    assert again.bookmark("logs:/y") is None
    assert numbers(deliver(again)[0]) == [1]


def test_samples_travel_as_samples(make_spool):
    spool = make_spool()
    spool.put_sample(HealthSample(time=5, metrics={"load1": 0.5}))
    assert spool.flush(5)
    packed = spool.pending(1 << 20).packed[0]
    assert block.unpack(packed).health[0].metrics == {"load1": 0.5}


BAD = [
    Event(time=-1, source=Logsource(), fields={"raw": "x" * 40_000}),
    Event(time=1, source=Logsource(), fields={"a": "x" * 70_000}),
    Event(time=1, source=Logsource(), fields={"a": "\udcff"}),
    Event(time=1, source=Logsource(), fields={f"f{i}": "y" * 60_000 for i in range(20)}),
]


@pytest.mark.parametrize("bad", BAD, ids=["time", "long", "surrogate", "huge"])
def test_what_the_wire_does_not_allow_costs_only_itself(bad, make_spool, make_event):
    tally = Tally()
    spool = make_spool(tally=tally)
    assert spool.put("security", [make_event(1), bad, make_event(2)]) == 1
    assert spool.flush(5)
    events, gaps = deliver(spool)
    assert numbers(events) == [1, 2]
    assert [gap.events for gap in gaps] == [1]
    assert tally.read("lost_events") == {("invalid",): 1}


def test_a_malformed_block_is_cut_anew_without_what_spoilt_it(make_spool, make_event):
    tally = Tally()
    spool = make_spool(tally=tally)
    spool.put("security", [make_event(1), make_event(1 << 70), make_event(2)])
    assert spool.flush(5)
    parcel = spool.pending(1 << 20)
    refusal = Refusal(lane="security", block=1, code="malformed", reason="integer out of range")
    spool.acknowledge(parcel, Receipt(time=1, refused=[refusal]))
    events, gaps = deliver(spool)
    assert numbers(events) == [1, 2]
    assert [(gap.first, gap.last, gap.events, gap.reason) for gap in gaps] == [(1, 1, 1, "refused")]
    assert tally.read("lost_events") == {("refused",): 1}
    assert spool.state().totals["refused"] == 1


def test_a_bad_sample_is_counted(make_spool):
    tally = Tally()
    spool = make_spool(tally=tally)
    assert spool.put_sample(HealthSample(time=5, metrics={"disk free": 1.0})) == 1
    assert tally.read("lost_events") == {("invalid",): 1}


def test_long_runs_are_cut_into_blocks_within_the_limits(make_spool, make_event):
    spool = make_spool()
    spool.put("security", [make_event(i, noise(10_000)) for i in range(150)])
    assert spool.flush(10)
    spool.put("routine", [make_event(i, "") for i in range(10_000)])
    assert spool.flush(10)
    parcel = spool.pending(8 << 20)
    assert len(parcel.refs) > 10
    for ref, packed in zip(parcel.refs, parcel.packed, strict=True):
        assert ref.size <= block.MAX_PACKED_BYTES
        assert ref.events <= block.MAX_EVENTS
        block.unpack(packed)
    assert len(numbers(deliver(spool)[0])) == 10_150


def noise(size):
    """A text that does not compress: 2 bytes and more a sign."""
    return "".join(chr(0x4E00 + value % 20_000) for value in memoryview(os.urandom(2 * size)).cast("H"))


def fill(spool, make_event, lane, count, size=3_000):
    for i in range(count):
        spool.put(lane, [make_event(i, noise(size))])
        assert spool.flush(10)


def test_eviction_takes_the_least_urgent_oldest_and_counts(make_spool, make_event):
    tally = Tally()
    spool = make_spool(config=SpoolConfig(max_bytes=1 << 20, min_free_bytes=0), tally=tally)
    fill(spool, make_event, "urgent", 40)
    fill(spool, make_event, "routine", 60)
    fill(spool, make_event, "security", 200)
    state = spool.state()
    assert state.bytes <= 1 << 20
    assert state.blocks["urgent"] == 40
    assert state.blocks["routine"] == 0
    events, gaps = deliver(spool)
    lost = sum(gap.events for gap in gaps)
    assert len(events) + lost == 300
    assert lost == tally.read("lost_events")[("evicted",)] == state.totals["evicted"]
    ranges = [(gap.lane, gap.first, gap.last) for gap in gaps]
    assert ("routine", 1, 60) in ranges
    assert len(ranges) == 2
    kept = [e.fields["n"] for e in events][40:]
    assert kept == list(range(200 - len(kept), 200))


def test_what_is_on_its_way_is_not_evicted(make_spool, make_event):
    spool = make_spool(config=SpoolConfig(max_bytes=1 << 20, min_free_bytes=0))
    fill(spool, make_event, "routine", 20)
    parcel = spool.pending(1 << 18)
    fill(spool, make_event, "security", 200)
    spool.acknowledge(parcel, Receipt(time=1, stored=[(ref.lane, ref.block) for ref in parcel.refs]))
    events, gaps = deliver(spool)
    assert len(parcel.refs) + len(events) + sum(gap.events for gap in gaps) == 220


def test_a_gap_that_was_sent_is_joined_with_nothing(make_spool):
    spool = make_spool()
    spool.lose("security", 3)
    assert spool.flush(5)
    first = spool.pending(1)
    spool.lose("security", 4)
    assert spool.flush(5)
    second = spool.pending(1)
    assert [g.events for g in first.gaps] == [3]
    assert [(g.first, g.events) for g in second.gaps] == [(1, 3), (2, 4)]
    spool.acknowledge(first, Receipt(time=1))
    assert [(g.first, g.events) for g in spool.pending(1).gaps] == [(2, 4)]


def test_full_memory_drops_by_class_and_counts(make_spool, make_event, monkeypatch):
    tally = Tally()
    spool = make_spool(
        config=SpoolConfig(memory_bytes=1 << 20, routine_delay_seconds=60, min_free_bytes=0), tally=tally
    )
    spool._lock.acquire()  # the disk does not answer
    try:
        text = "x" * 10_000
        lost = sum(spool.put("routine", [make_event(i, text)]) for i in range(100))
        assert 0 < lost < 60
        assert spool.put("urgent", [make_event(200, text)]) == 0
    finally:
        spool._lock.release()
    assert spool.flush(10)
    events, gaps = deliver(spool)
    assert len(events) + sum(gap.events for gap in gaps) == 101
    assert tally.read("lost_events") == {("memory_full",): lost}


def test_a_source_with_a_bookmark_waits_instead(make_spool, make_event):
    spool = make_spool(config=SpoolConfig(memory_bytes=1 << 20, min_free_bytes=0))
    text = "x" * 20_000
    done = threading.Event()

    def source():
        for i in range(200):
            spool.put("security", [make_event(i, text)], ("s", b"%d" % i))
        done.set()

    spool._lock.acquire()  # the disk does not answer
    try:
        thread = threading.Thread(target=source)
        thread.start()
        assert not done.wait(0.3)
    finally:
        spool._lock.release()
    assert done.wait(20)
    thread.join()
    assert spool.flush(10)
    assert numbers(deliver(spool)[0]) == list(range(200))


def test_a_waiting_source_is_told_that_the_spool_closes(make_spool, make_event):
    spool = make_spool(config=SpoolConfig(memory_bytes=1 << 20, min_free_bytes=0))
    caught = []

    def source():
        try:
            for i in range(200):
                spool.put("security", [make_event(i, "x" * 20_000)], ("s", b"%d" % i))
        except SpoolClosedError:
            caught.append(i)

    with spool._lock:
        thread = threading.Thread(target=source)
        thread.start()
        time.sleep(0.1)
        spool._intake.close()
        thread.join(5)
    assert caught
    assert spool.close(5)
    again = make_spool()
    assert int(again.bookmark("s")) == caught[0] - 1
    assert len(numbers(deliver(again)[0])) == caught[0]


def test_a_new_boot_begins_a_new_stream_and_the_old_one_is_finished_first(make_spool, make_event):
    spool = make_spool()
    spool.put("routine", [make_event(1)])
    spool.close(5)
    after = make_spool(owner=OWNER._replace(boot="boot2"))
    after.put("urgent", [make_event(2)])
    assert after.flush(5)
    first = after.pending(1 << 20)
    assert [ref.lane for ref in first.refs] == ["routine"]
    assert first.stream != after.state().stream
    assert numbers(deliver(after)[0]) == [1, 2]


@pytest.mark.parametrize("owner", [OWNER._replace(machine="other"), OWNER._replace(agent="z" * 16)])
def test_another_machines_spool_is_set_aside(owner, make_spool, make_event, tmp_path):
    tally = Tally()
    spool = make_spool()
    spool.put("security", [make_event(1)])
    spool.close(5)
    clone = make_spool(owner=owner, tally=tally)
    assert clone.flush(5)
    events, _ = deliver(clone)
    assert [e.fields["action"] for e in events] == ["spool_replaced"]
    assert "foreign" in events[0].fields["reason"]
    assert tally.total("spool_replaced") == 1
    assert (tmp_path / "spool" / "spool.sqlite.aside").exists()


@pytest.mark.parametrize("damage", [b"not a database", b"\x00" * 100_000])
def test_an_unreadable_file_is_set_aside(damage, make_spool, make_event, tmp_path):
    spool = make_spool()
    spool.put("security", [make_event(1)])
    spool.close(5)
    (tmp_path / "spool" / "spool.sqlite").write_bytes(damage)
    again = make_spool()
    assert again.flush(5)
    assert [e.fields["action"] for e in deliver(again)[0]] == ["spool_replaced"]


def test_a_file_damaged_while_open_is_replaced_and_bookmarks_survive(make_spool, make_event, tmp_path):
    spool = make_spool()
    spool.put("security", [make_event(i, "x" * 5_000) for i in range(50)], ("s", b"50"))
    assert spool.flush(5)
    spool.close(5)
    path = tmp_path / "spool" / "spool.sqlite"
    spool = make_spool()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xa5" * (size - 4_096))
    spool.put("security", [make_event(51)], ("t", b"51"))
    assert spool.flush(15)
    assert spool.bookmark("s") == b"50"
    spool.close(5)
    again = make_spool()
    assert again.bookmark("s") == b"50"
    assert again.bookmark("t") == b"51"
    events, _ = deliver(again)
    assert 51 in numbers(events)
    assert any(e.fields.get("action") == "spool_replaced" for e in events)


def test_one_damaged_block_costs_only_itself(make_spool, make_event, tmp_path):
    spool = make_spool()
    for i in range(3):
        spool.put("security", [make_event(i)])
        assert spool.flush(5)
    spool.close(5)
    db = sqlite3.connect(tmp_path / "spool" / "spool.sqlite")
    db.execute("UPDATE blocks SET packed = zeroblob(size) WHERE block = 2")
    db.commit()
    db.close()
    again = make_spool()
    events, gaps = deliver(again)
    assert numbers(events) == [0, 2]
    assert [(g.first, g.last, g.events, g.reason) for g in gaps] == [(2, 2, 1, "corrupt")]


def test_a_later_releases_file_is_not_guessed_at(make_spool, tmp_path):
    make_spool().close(5)
    db = sqlite3.connect(tmp_path / "spool" / "spool.sqlite")
    db.execute("PRAGMA user_version = 99")
    db.close()
    again = make_spool()
    assert again.flush(5)
    assert "99" in deliver(again)[0][0].fields["reason"]


def test_space_goes_back_to_the_disk(make_spool, make_event, tmp_path):
    spool = make_spool()
    fill(spool, make_event, "security", 400)
    path = tmp_path / "spool" / "spool.sqlite"
    deliver(spool, 1 << 16)
    spool.close(5)
    assert path.stat().st_size < 5 << 20


def take_all_space(disk):
    with (disk / "somebody_elses").open("wb") as file:
        while free := shutil.disk_usage(disk).free:
            file.write(b"\0" * free)
            file.flush()


def test_full_disk_keeps_in_memory_then_counts_then_recovers(small_disk, make_spool, make_event):
    disk = small_disk(24 << 20)
    tally = Tally()
    config = SpoolConfig(max_bytes=64 << 20, min_free_bytes=0, memory_bytes=1 << 20, delay_seconds=0.01)
    spool = make_spool(directory=disk / "spool", config=config, tally=tally)
    fill(spool, make_event, "security", 100)
    take_all_space(disk)
    deadline = time.monotonic() + 30
    put = 100
    while not tally.read("lost_events").get(("memory_full",)):
        assert time.monotonic() < deadline
        put += 1
        spool.put("security", [make_event(put, noise(5_000))])
        time.sleep(0.002)
    assert tally.total("spool_full") > 0
    parcel = spool.pending(1 << 18)
    assert parcel.refs
    (disk / "somebody_elses").unlink()
    assert spool.flush(20)
    events, gaps = deliver(spool)
    assert len(events) + sum(gap.events for gap in gaps) == put
    assert sum(gap.events for gap in gaps) == tally.total("lost_events")


def test_a_disk_short_of_space_stops_growth_but_not_the_spool(small_disk, make_spool, make_event):
    disk = small_disk(32 << 20)
    tally = Tally()
    config = SpoolConfig(max_bytes=64 << 20, min_free_bytes=16 << 20, memory_bytes=4 << 20)
    spool = make_spool(directory=disk / "spool", config=config, tally=tally)
    fill(spool, make_event, "routine", 600, size=12_000)
    assert shutil.disk_usage(disk).free > 4 << 20
    assert tally.total("spool_full") == 0
    events, gaps = deliver(spool)
    assert numbers(events)[-1] == 599
    assert len(events) + sum(gap.events for gap in gaps) == 600
    assert tally.read("lost_events")[("evicted",)] > 0


def test_acknowledging_works_on_a_full_disk(small_disk, make_spool, make_event):
    disk = small_disk(24 << 20)
    config = SpoolConfig(max_bytes=64 << 20, min_free_bytes=0, memory_bytes=1 << 20)
    spool = make_spool(directory=disk / "spool", config=config)
    fill(spool, make_event, "security", 300)
    take_all_space(disk)
    events, _ = deliver(spool)
    assert len(events) == 300
    assert spool.state().bytes == 0
    spool.put("security", [make_event(1)])
    assert spool.flush(10)


def test_starting_after_a_reboot_on_a_full_disk(small_disk, make_spool, make_event):
    disk = small_disk(24 << 20)
    spool = make_spool(directory=disk / "spool")
    fill(spool, make_event, "security", 20)
    spool.close(5)
    take_all_space(disk)
    again = make_spool(directory=disk / "spool", owner=OWNER._replace(boot="boot2"))
    again.put("security", [make_event(21)])
    assert again.flush(10)
    assert len(deliver(again)[0]) == 21
