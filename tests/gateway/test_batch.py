"""Batches against the real gateway: what is stored, what is refused, and that neither harms the other."""

from __future__ import annotations

from tests.gateway.harness import Agent, GatewayProcess


def test_a_receipt_names_what_is_durable(agent: Agent, gateway: GatewayProcess) -> None:
    receipt = agent.deliver(1, 2)
    assert receipt.stored == [("security", 1), ("security", 2)]
    assert receipt.through == {"security": 2}
    mine = [b for b in gateway.fetch_all() if b.identity == agent.who]
    assert [b.block for b in mine] == [1, 2]
    assert abs(mine[0].skew) < 5_000_000
