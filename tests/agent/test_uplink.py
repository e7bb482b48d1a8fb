"""The uplink against a real TLS door that fails in every way that networks and collectors do."""

from __future__ import annotations

import time

import pytest

from agent import answers
from agent.config import UplinkConfig
from agent.connection import Answer
from wire.batch import Problem


def numbers(door):
    return sorted(event.fields["n"] for event in door.events() if "n" in event.fields)


def blocks_sent(door):
    """Each request's blocks, as the bytes they came in."""
    return [body.partition(b"\n")[2] for path, body in door.requests if path == "/v1/batch"]


def test_delivers_and_forgets(door, rig, make_event, until):
    r = rig(door.url)
    r.spool.put("security", [make_event(i) for i in range(100)])
    assert r.spool.flush(5)
    until(lambda: numbers(door) == list(range(100)))
    until(lambda: r.spool.state().bytes == 0)
    assert r.uplink.state.phase in ("delivering", "idle")
    assert r.spool.state().totals == {"events": 100, "delivered": 100}
    assert abs(r.uplink.skew.offset_us) < 5_000_000


def test_one_connection_serves_many_batches(door, rig, make_event, until):
    peers = set()
    door.faults.extend([lambda h: peers.add(h.client_address) or False] * 20)
    r = rig(door.url)
    for i in range(10):
        r.spool.put("urgent", [make_event(i)])
        until(lambda i=i: len(door.events()) == i + 1)
    assert len(peers) == 1


def test_a_connection_closed_while_idle_is_no_failure(door, rig, make_event, until):
    def answer_and_leave(handler):
        handler.batch()
        handler.cut()
        return True

    door.faults.extend([answer_and_leave] * 5)
    r = rig(door.url)
    for i in range(5):
        r.spool.put("urgent", [make_event(i)])
        until(lambda i=i: r.tally.total("uplink_batches") == i + 1)
        until(lambda: r.uplink.state.phase == "idle")
    assert r.tally.read("uplink_batches") == {("delivered",): 5}
    assert door.duplicates == 0


def cut_before_answer(handler):
    """The collector stored it, its answer is lost."""
    handler.owner.take_batch(handler.body)
    handler.cut()
    return True


def cut_within_answer(handler):
    handler.owner.take_batch(handler.body)
    handler.send_response(200)
    handler.send_header("Content-Length", "400")
    handler.end_headers()
    handler.wfile.write(b'{"v":1,"time":1')
    handler.cut()
    return True


def nonsense_answer(handler):
    handler.owner.take_batch(handler.body)
    handler.reply(200, b"<html>welcome to the hotel's network</html>")
    return True


def slow_answer(handler):
    handler.owner.take_batch(handler.body)
    time.sleep(0.6)
    handler.cut()
    return True


@pytest.mark.parametrize("fault", [cut_before_answer, cut_within_answer, nonsense_answer, slow_answer])
def test_a_lost_answer_is_followed_by_the_same_bytes(fault, door, rig, make_event, until):
    door.faults.extend([fault, fault])
    r = rig(door.url, UplinkConfig(backoff_seconds=0.02, backoff_max_seconds=0.05, timeout_seconds=0.3))
    r.spool.put("urgent", [make_event(i) for i in range(50)])
    assert r.spool.flush(5)
    until(lambda: r.spool.state().bytes == 0)
    assert numbers(door) == list(range(50))
    assert door.duplicates >= 2
    assert door.conflicts == []
    assert len(set(blocks_sent(door))) == 1


def test_a_door_that_is_shut_for_a_while(door, rig, make_event, until):
    port = door.port
    door.stop()
    r = rig(door.url)
    r.spool.put("urgent", [make_event(1)])
    until(lambda: r.uplink.state.phase == "waiting")
    assert "refused" in r.uplink.state.last_error
    door.start(port)
    until(lambda: numbers(door) == [1])
    until(lambda: r.uplink.state.last_error == "")


def test_retry_after_is_honoured(door, rig, make_event, until):
    times = []

    def busy(handler):
        times.append(time.monotonic())
        problem = Problem(code="inbox_full", title="Full", status=503, retry_after=0.4)
        handler.problem(problem, {"Retry-After": "0"})
        return True

    door.faults.append(busy)
    door.faults.append(lambda _: times.append(time.monotonic()) or False)
    r = rig(door.url)
    r.spool.put("urgent", [make_event(1)])
    until(lambda: numbers(door) == [1])
    assert 0.4 <= times[1] - times[0] < 5


def test_too_large_is_cut_down_until_it_fits(door, rig, make_event, until):
    door.stop()
    port = door.port

    def limit(handler):
        handler.owner.faults.append(limit)
        if len(handler.body) > 3_000:
            handler.problem(Problem(code="too_large", title="Too large", status=413))
            return True
        return False

    door.faults.append(limit)
    r = rig(door.url)
    for i in range(40):
        r.spool.put("security", [make_event(i, "x" * (i * 7))])
        assert r.spool.flush(5)
    door.start(port)
    until(lambda: r.spool.state().bytes == 0)
    assert numbers(door) == list(range(40))
    assert r.tally.read("lost_events") == {}


def test_a_block_that_never_fits_becomes_a_counted_gap(door, rig, make_event, until):
    def limit(handler):
        handler.owner.faults.append(limit)
        if len(handler.body) > 3_000:
            handler.problem(Problem(code="too_large", title="Too large", status=413))
            return True
        return False

    door.faults.append(limit)
    r = rig(door.url)
    noise = "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(3_000))
    r.spool.put("urgent", [make_event(1, noise)])
    assert r.spool.flush(5)
    r.spool.put("urgent", [make_event(2)])
    until(lambda: door.gaps and numbers(door) == [2])
    ((stream, gap),) = door.gaps
    assert (gap.lane, gap.first, gap.last, gap.events, gap.reason) == ("urgent", 1, 1, 1, "refused")
    assert r.tally.read("lost_events") == {("refused",): 1}
    assert stream == r.spool.state().stream


def test_a_refused_block_becomes_a_gap_and_the_others_are_stored(door, rig, make_event, until):
    door.refuse.add(("urgent", 2))
    r = rig(door.url)
    for i in (1, 2, 3):
        r.spool.put("urgent", [make_event(i)])
        assert r.spool.flush(5)
    until(lambda: numbers(door) == [1, 3] and door.gaps)
    assert door.gaps[0][1].first == 2
    assert r.tally.read("uplink_refused_blocks") == {("malformed",): 1}


@pytest.mark.parametrize("code", ["revoked", "quarantined", "unknown_agent", "superseded_certificate"])
def test_a_refused_agent_keeps_its_spool_and_says_so(code, door, rig, make_event, until):
    door.faults.append(lambda h: h.problem(Problem(code=code, title="No", status=403)) or True)
    r = rig(door.url, UplinkConfig(refused_retry_seconds=600))
    r.spool.put("urgent", [make_event(1)])
    until(lambda: r.uplink.state.phase == "refused")
    assert code in r.uplink.state.last_error
    assert r.uplink.state.next_try > time.time_ns() // 1000 + 500 * 1_000_000
    assert r.spool.state().events["urgent"] == 1


def test_a_collector_of_another_root_gets_nothing(open_door, other_pki, rig, make_event, until):
    wrong = open_door(with_pki=other_pki)
    r = rig(wrong.url)
    r.spool.put("urgent", [make_event(1)])
    until(lambda: r.uplink.state.phase == "waiting")
    assert "not trusted" in r.uplink.state.last_error
    assert wrong.requests == []


def test_a_collector_of_another_name_gets_nothing(open_door, rig, make_event, until):
    wrong = open_door(name="collector.example")
    r = rig(wrong.url)
    r.spool.put("urgent", [make_event(1)])
    until(lambda: r.uplink.state.phase == "waiting")
    assert "not trusted" in r.uplink.state.last_error
    assert wrong.requests == []


def test_an_expired_certificate_is_named(door, rig, make_event, until):
    r = rig(door.url, days=-1)
    r.spool.put("urgent", [make_event(1)])
    until(lambda: "certificate expired" in r.uplink.state.last_error)
    assert r.spool.state().events["urgent"] == 1


def test_losses_are_reported_and_forgotten_once_acknowledged(door, rig, make_event, until):
    r = rig(door.url)
    r.spool.lose("security", 7)
    until(lambda: door.gaps)
    until(lambda: r.spool.pending(1) is None)
    assert [(g.lane, g.events, g.reason) for _, g in door.gaps] == [("security", 7, "evicted")]


def test_a_collector_that_knows_later_blocks_means_a_restored_copy(door, rig, make_event, until):
    r = rig(door.url)
    before = r.spool.state().stream
    door.through_extra = 10
    r.spool.put("urgent", [make_event(1)])
    until(lambda: r.spool.state().stream != before)
    door.through_extra = 0
    r.spool.put("urgent", [make_event(2)])
    until(lambda: numbers(door) == [1, 2])
    assert len({stream for stream, _, _ in door.blocks}) == 2


def test_stop_delivers_what_is_there(door, rig, make_event):
    r = rig(door.url)
    r.spool.put("routine", [make_event(i) for i in range(10)])
    assert r.spool.flush(5)
    r.uplink.stop(10)
    assert numbers(door) == list(range(10))
    assert not r.uplink.alive()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"code":"malformed","title":"t","status":400}', answers.ParcelRefusedError),
        (400, b'{"code":"version","title":"t","status":400}', answers.DoorClosedError),
        (400, b"a proxy's opinion", answers.DoorClosedError),
        (404, b"", answers.DoorClosedError),
        (413, b"", answers.ParcelRefusedError),
        (429, b"", answers.LaterError),
        (502, b"bad gateway", answers.LaterError),
        (301, b"", answers.DoorClosedError),
        (200, b'{"v":9,"time":1}', answers.UplinkError),
    ],
)
def test_what_an_answer_means(status, body, kind):
    with pytest.raises(kind):
        answers.receipt(Answer(status, {}, body))


def test_retry_after_header_alone():
    with pytest.raises(answers.LaterError) as caught:
        answers.receipt(Answer(503, {"retry-after": "7"}, b""))
    assert caught.value.retry_after == 7
