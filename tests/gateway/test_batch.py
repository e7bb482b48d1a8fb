"""Batches against the real gateway: what is stored, what is refused, and that neither harms the other."""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec
import pytest
import zstandard

from tests.gateway.conftest import NewAgent
from tests.gateway.harness import Agent, GatewayProcess, Responder, announce, wait_for
from wire import batch, codec
from wire.batch import Receipt
from wire.block import Block, Gap


def stored(gateway: GatewayProcess, agent: Agent) -> list[int]:
    """Numbers of the agent's blocks in the inbox, in order."""
    return [b.block for b in gateway.fetch_all() if b.identity == agent.who]


def quarantines(responder: Responder, agent: Agent) -> list[str]:
    """Codes with which the agent was reported."""
    return [q.code for q in responder.quarantined if q.agent == agent.who.agent]


def test_a_receipt_names_what_is_durable(agent: Agent, gateway: GatewayProcess) -> None:
    receipt = agent.deliver(1, 2)
    assert receipt.stored == [("security", 1), ("security", 2)]
    assert receipt.through == {"security": 2}
    mine = [b for b in gateway.fetch_all() if b.identity == agent.who]
    assert [b.block for b in mine] == [1, 2]
    assert abs(mine[0].skew) < 5_000_000
    assert mine[0].host == f"may-{agent.who.agent[:4]}"


def test_the_clock_of_an_agent_is_compared_with_ours(agent: Agent, gateway: GatewayProcess) -> None:
    status, _ = agent.post(agent.body(agent.cut(1), sent=1_000_000))
    assert status == 200
    block = next(b for b in gateway.fetch_all() if b.identity == agent.who)
    assert block.skew == 1_000_000 - block.received


def test_a_replayed_block_is_acknowledged_again_and_stored_once(agent: Agent, gateway: GatewayProcess) -> None:
    before = gateway.metric("blocks", verdict="duplicate")
    body = agent.body(agent.cut(1))
    for _ in range(3):
        status, answer = agent.post(body)
        assert status == 200
        assert codec.decode(answer, Receipt, "receipt").stored == [("security", 1)]
    assert stored(gateway, agent) == [1]
    assert gateway.metric("blocks", verdict="duplicate") == before + 2


def test_other_content_under_the_same_identity_is_refused_and_reported(
    agent: Agent, gateway: GatewayProcess, responder: Responder
) -> None:
    agent.deliver(1)
    receipt = agent.deliver(1, 2, text="something else")
    assert [(r.block, r.code) for r in receipt.refused] == [(1, "content_conflict")]
    assert receipt.stored == [("security", 2)]
    wait_for(lambda: quarantines(responder, agent) == ["content_conflict"], "the report")
    wait_for(lambda: agent.post(agent.body(agent.cut(3)))[0] == 403, "the quarantine taking effect")
    assert agent.refused(agent.body(agent.cut(3))) == (403, "quarantined")
    contents = [b.packed for b in gateway.fetch_all() if b.identity == agent.who]
    assert contents[0] == agent.cut(1)[1]
    assert gateway.metric("blocks", verdict="content_conflict") >= 1
    assert gateway.metric("quarantines", code="content_conflict") >= 1


def test_a_batch_in_anothers_name_is_refused_and_its_sender_reported(
    new_agent: NewAgent, gateway: GatewayProcess, responder: Responder
) -> None:
    honest, thief = new_agent(), new_agent()
    honest.deliver(1)
    forged = honest.body(honest.cut(2, text="forged"))
    assert thief.refused(forged) == (403, "foreign_block")
    wait_for(lambda: quarantines(responder, thief) == ["foreign_block"], "the report")
    assert not quarantines(responder, honest)
    honest.deliver(2)
    assert stored(gateway, honest) == [1, 2]


def test_a_block_that_another_agent_cut_is_refused_alone(
    new_agent: NewAgent, gateway: GatewayProcess, responder: Responder
) -> None:
    honest, thief = new_agent(), new_agent()
    status, answer = thief.post(thief.body(thief.cut(1, agent=honest.who.agent), thief.cut(2)))
    receipt = codec.decode(answer, Receipt, "receipt")
    assert (status, [r.code for r in receipt.refused]) == (200, ["foreign_block"])
    assert stored(gateway, thief) == [2]
    assert stored(gateway, honest) == []
    wait_for(lambda: quarantines(responder, thief) == ["foreign_block"], "the report")


def test_two_live_streams_of_one_agent_are_one_too_many(
    new_agent: NewAgent, gateway: GatewayProcess, responder: Responder
) -> None:
    agent = new_agent()
    agent.deliver(1)
    agent.stream = "b" * 26
    agent.deliver(1)
    agent.stream = "a" * 26
    assert agent.refused(agent.body(agent.cut(2))) == (403, "cloned_stream")
    wait_for(lambda: quarantines(responder, agent) == ["cloned_stream"], "the report")
    assert gateway.metric("refusals", code="cloned_stream") >= 1
    assert len(stored(gateway, agent)) == 2


def test_a_new_spool_is_a_new_stream_and_welcome(agent: Agent, gateway: GatewayProcess) -> None:
    for stream in "abcd":
        agent.stream = stream * 26
        agent.deliver(1, 2)
    assert stored(gateway, agent) == [1, 2] * 4


def bomb(agent: Agent) -> bytes:
    """Honest about its size: far over the limit in a few kilobytes."""
    return zstandard.ZstdCompressor(level=1).compress(bytes(64 << 20))


def lying_bomb(_: Agent) -> bytes:
    """Says 1 KiB and holds 1 GB of run-length blocks (RFC 8878, 3.1.1.2)."""
    run = struct.pack("<I", (131_072 << 3) | 2)[:3] + b" "
    last = struct.pack("<I", (131_072 << 3) | 3)[:3] + b" "
    return b"\x28\xb5\x2f\xfd\x80\x38" + struct.pack("<I", 1024) + run * 8_000 + last


def deep(_: Agent) -> bytes:
    """JSON that nests without end."""
    return codec.compress(b"[" * 1_000_000)


def empty(agent: Agent) -> bytes:
    """A block with nothing in it."""
    return codec.compress(
        codec.encode(Block(agent=agent.who.agent, stream=agent.stream, lane="security", block=1))
    )


def not_json(_: Agent) -> bytes:
    """A whole frame of something else."""
    return codec.compress(b"\xff\xfe nothing of ours")


def other_number(agent: Agent) -> bytes:
    """A block under another number than its own."""
    return agent.cut(7)[1]


def future(agent: Agent) -> bytes:
    """A protocol that is not spoken yet."""
    plain = msgspec.json.decode(codec.decompress(agent.cut(1)[1], 1 << 20))
    return codec.compress(codec.encode(plain | {"v": 9}))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (bomb, "too_large"),
        (lying_bomb, "malformed"),
        (deep, "malformed"),
        (empty, "malformed"),
        (not_json, "malformed"),
        (other_number, "malformed"),
        (future, "version"),
        (lambda _: b"(\xb5/\xfd", "malformed"),
        (lambda agent: agent.cut(1)[1][:-5], "malformed"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_bad_block_is_refused_for_good_and_its_neighbour_stored(
    agent: Agent, gateway: GatewayProcess, make: Callable[[Agent], bytes], code: str
) -> None:
    before = gateway.metric("blocks", verdict=code)
    bad = announce(make(agent), 1, 1)
    status, answer = agent.post(agent.body(bad, agent.cut(2)))
    assert status == 200, answer
    receipt = codec.decode(answer, Receipt, "receipt")
    assert [(r.block, r.code) for r in receipt.refused] == [(1, code)]
    assert receipt.stored == [("security", 2)]
    assert stored(gateway, agent) == [2]
    assert gateway.metric("blocks", verdict=code) == before + 1


def test_bytes_that_are_not_those_announced_are_refused(agent: Agent, gateway: GatewayProcess) -> None:
    ref, packed = agent.cut(1)
    damaged = packed[:-1] + bytes([packed[-1] ^ 1])
    status, answer = agent.post(agent.body((ref, damaged)))
    receipt = codec.decode(answer, Receipt, "receipt")
    assert (status, [r.code for r in receipt.refused]) == (200, ["hash_mismatch"])
    assert stored(gateway, agent) == []


def test_events_are_as_many_as_announced(agent: Agent) -> None:
    ref, packed = agent.cut(1, events=2)
    status, answer = agent.post(agent.body((msgspec.structs.replace(ref, events=3), packed)))
    receipt = codec.decode(answer, Receipt, "receipt")
    assert (status, [r.code for r in receipt.refused]) == (200, ["malformed"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no header line",
        b"\n",
        b"{}\n",
        b"[1,2]\n",
        b"\x00" * 4096,
        b"{" * 70_000,
        b'{"v":1}\nrest',
        b"\xff\n",
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(agent: Agent, gateway: GatewayProcess, body: bytes) -> None:
    before = gateway.metric("refusals", code="malformed") + gateway.metric("refusals", code="too_large")
    status, code = agent.refused(body)
    assert (status, code) in {(400, "malformed"), (413, "too_large")}
    assert (
        gateway.metric("refusals", code="malformed") + gateway.metric("refusals", code="too_large") == before + 1
    )
    agent.deliver(1)


def test_lengths_that_do_not_add_up_refuse_the_batch(agent: Agent, gateway: GatewayProcess) -> None:
    assert agent.refused(agent.body(agent.cut(1)) + b"more") == (400, "malformed")
    assert agent.refused(agent.body(agent.cut(1))[:-1]) == (400, "malformed")
    assert stored(gateway, agent) == []


@pytest.mark.parametrize("version", [3, 99, -1])
def test_a_protocol_too_far_away_is_named(agent: Agent, version: int) -> None:
    header, _, rest = agent.body(agent.cut(1)).partition(b"\n")
    changed = codec.encode(msgspec.json.decode(header) | {"v": version})
    assert agent.refused(changed + b"\n" + rest) == (400, "version")


def test_a_neighbouring_version_with_fields_of_its_own_is_read(agent: Agent) -> None:
    header, _, rest = agent.body(agent.cut(1)).partition(b"\n")
    changed = codec.encode(msgspec.json.decode(header) | {"v": 2, "colour": "green"})
    assert agent.post(changed + b"\n" + rest)[0] == 200


@pytest.mark.parametrize(
    "gap",
    [
        {"first": 5, "last": 2, "events": 1},
        {"first": 1, "last": 2**53, "events": 2**64},
        {"first": 1, "last": 2**53, "events": 2**53},
        {"first": 1, "last": 1, "events": 1_000_000},
    ],
)
def test_a_gap_that_cannot_be_is_refused(agent: Agent, gap: dict[str, int]) -> None:
    header, _, rest = agent.body(agent.cut(1)).partition(b"\n")
    gaps = [{"lane": "security", "reason": "evicted", **gap}]
    changed = codec.encode(msgspec.json.decode(header) | {"gaps": gaps})
    assert agent.refused(changed + b"\n" + rest) == (400, "malformed")
    agent.deliver(1)


def test_a_clock_beyond_all_clocks_is_refused(agent: Agent) -> None:
    assert agent.refused(agent.body(agent.cut(1), sent=2**63)) == (400, "malformed")
    agent.deliver(1)


def test_declared_gaps_move_the_watermark_and_are_counted(
    agent: Agent, gateway: GatewayProcess, responder: Responder
) -> None:
    before = gateway.metric("lost_events")
    gap = Gap(lane="security", first=1, last=3, events=12, reason="evicted")
    for _ in range(2):
        status, answer = agent.post(agent.body(agent.cut(4), gaps=[gap]))
        assert status == 200
        assert codec.decode(answer, Receipt, "receipt").through == {"security": 4}
    assert gateway.metric("lost_events") == before + 12
    wait_for(lambda: agent.who.agent in responder.seen, "the report of an agent that was heard")
    told = responder.seen[agent.who.agent]
    assert (told.events, told.gaps, told.lost_events, told.stream) == (2, 1, 12, agent.stream)
    assert told.serial == agent.serial


def test_an_empty_batch_is_a_sign_of_life(agent: Agent, responder: Responder) -> None:
    status, answer = agent.post(agent.body())
    assert (status, codec.decode(answer, Receipt, "receipt").stored) == (200, [])
    wait_for(lambda: agent.who.agent in responder.seen, "the report")


def test_a_batch_over_the_limit_is_refused_before_it_is_read(agent: Agent, gateway: GatewayProcess) -> None:
    read = gateway.metric("batch_bytes")
    assert agent.refused(bytes(batch.MAX_BATCH_BYTES + 1)) == (413, "too_large")
    assert gateway.metric("batch_bytes") == read
    agent.deliver(1)


def test_a_gigabyte_that_is_only_announced_is_refused_and_hung_up_on(agent: Agent) -> None:
    connection = agent.connect()
    try:
        connection.putrequest("POST", "/v1/batch")
        connection.putheader("Content-Type", batch.CONTENT_TYPE)
        connection.putheader("Content-Length", str(1 << 30))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert answer.will_close
    finally:
        connection.close()


def test_the_length_must_be_stated(agent: Agent) -> None:
    connection = agent.connect()
    try:
        connection.request(
            "POST", "/v1/batch", iter([b"x"] * 3), {"Content-Type": batch.CONTENT_TYPE}, encode_chunked=True
        )
        answer = connection.getresponse()
        problem = codec.decode(answer.read(), batch.Problem, "problem")
        assert (answer.status, problem.code) == (400, "length_required")
    finally:
        connection.close()


def test_only_batches_are_taken_for_batches(agent: Agent) -> None:
    status, answer = agent.request("POST", "/v1/batch", agent.body(agent.cut(1)), kind="application/json")
    assert (status, codec.decode(answer, batch.Problem, "problem").code) == (415, "content_type")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/batch"), ("POST", "/v1/enrol"), ("GET", "/"), ("GET", "/v1/ca")]
)
def test_there_is_nothing_else_behind_this_door(agent: Agent, method: str, path: str) -> None:
    status, answer = agent.request(method, path, b"")
    assert (status, codec.decode(answer, batch.Problem, "problem").code) == (404, "not_found")


def test_a_full_batch_is_stored(agent: Agent, gateway: GatewayProcess) -> None:
    receipt = agent.deliver(*range(1, batch.MAX_BLOCKS + 1))
    assert len(receipt.stored) == batch.MAX_BLOCKS
    assert stored(gateway, agent) == list(range(1, batch.MAX_BLOCKS + 1))
