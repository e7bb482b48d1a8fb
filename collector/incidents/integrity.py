"""Alerts of the collector's own: what an honest agent cannot do, told like any other match."""

from __future__ import annotations

from hashlib import sha256

from collector.messages import Match, Matches, Quarantine, RuleCard
from wire.event import Event, Logsource
from wire.identity import Identity

SOURCE = Logsource(product="lienphong", service="collector")

_TITLES: dict[str, tuple[str, str]] = {
    "content_conflict": (
        "Tác tử gửi hai nội dung khác nhau dưới cùng một định danh",
        "Agent sent two different contents under one identity",
    ),
    "cloned_stream": (
        "Hai luồng cùng hoạt động dưới một định danh tác tử: có thể máy bị nhân bản",
        "Two live streams under one agent's identity: possibly a cloned machine",
    ),
    "foreign_block": (
        "Tác tử gửi dữ liệu dưới định danh của tác tử khác",
        "Agent sent data under another agent's identity",
    ),
}
_DESCRIPTIONS = {
    "vi": "Tác tử đã bị cách ly: bộ thu không nhận dữ liệu của nó nữa cho đến khi có người giải toả. Kiểm tra xem "
    "máy có bị sao chép, khôi phục từ bản chụp hay bị chiếm quyền không.",
    "en": "The agent was quarantined: the collector takes nothing from it until a person releases it. Check "
    "whether the machine was copied, restored from a snapshot, or taken over.",
}
_FALSE_POSITIVES = [
    {
        "vi": "Máy ảo được nhân bản hoặc khôi phục cùng với thư mục dữ liệu của tác tử",
        "en": "A virtual machine that was cloned or restored together with its agent's data directory",
    }
]


def quarantined(told: Quarantine, identity: Identity, host: str) -> Matches:
    """The match that a quarantine stands for. The same report twice is the same match."""
    event_id = f"{told.agent}/{told.code}/{told.time}"
    card = _card(told.code)
    event = Event(
        time=told.time,
        source=SOURCE,
        origin="agent",
        fields={"action": "quarantined", "reason": told.code, "message": told.detail[:4096]},
    )
    match = Match(
        id=sha256(f"{card.hash}\0{event_id}".encode()).hexdigest()[:32],
        rule_id=card.id,
        rule_hash=card.hash,
        level=card.level,
        identity=identity,
        host=host,
        event_id=event_id,
        event=event,
        received=told.time,
        detected=told.time,
        fields={"reason": told.code},
    )
    return Matches(matches=[match], rules=[card])


def _card(code: str) -> RuleCard:
    vi, en = _TITLES[code]
    rule_id = f"lienphong-integrity-{code.replace('_', '-')}"
    return RuleCard(
        id=rule_id,
        hash=sha256(f"{rule_id}\0{vi}\0{en}".encode()).hexdigest(),
        level="high",
        titles={"vi": vi, "en": en},
        descriptions=_DESCRIPTIONS,
        tags=["attack.defense-evasion"],
        falsepositives=_FALSE_POSITIVES,
        source="",
    )
