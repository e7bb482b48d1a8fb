"""A block that detection could not look through becomes an alert: what was not searched is never passed over in
silence. The raw block stays in the archive, and can be searched from there once the cause is known.
"""

from __future__ import annotations

import time
from hashlib import sha256

from collector.messages import InboxBlock, Match, RuleCard
from wire.event import Event, Logsource

SOURCE = Logsource(product="lienphong", service="collector")

RULE = "lienphong-integrity-unsearched-block"

CARD = RuleCard(
    id=RULE,
    hash=sha256(RULE.encode()).hexdigest(),
    level="high",
    titles={"vi": "Một khối sự kiện chưa được rà soát", "en": "A block of events was not searched"},
    descriptions={
        "vi": "Khối đã nguyên vẹn khi tiếp nhận nhưng bộ phát hiện không đọc hoặc không rà soát được: đĩa có thể "
        "hỏng, hộp nhận có thể bị sửa, hoặc bộ phát hiện có lỗi. Khối gốc vẫn còn trong kho lưu trữ; nhật ký của "
        "bộ phát hiện ghi nguyên nhân.",
        "en": "The block was whole when it was received, but the detector could not read or search it: the disk "
        "may be failing, the inbox may have been tampered with, or the detector has a fault. The block as it came "
        "is in the archive; the detector's log names the cause.",
    },
    tags=["attack.defense-evasion"],
    falsepositives=[],
    source="",
)


def unsearched(block: InboxBlock, reason: str) -> Match:
    """The match that stands for the block; `reason` is a code. The same block again is the same match."""
    event_id = f"{block.identity.agent}/{block.stream}/{block.lane}/{block.block}"
    event = Event(
        time=block.received,
        source=SOURCE,
        origin="agent",
        fields={
            "action": "unsearched",
            "reason": reason,
            "message": f"block {block.lane}/{block.block} of stream {block.stream}, inbox number {block.seq}",
        },
    )
    return Match(
        id=sha256(f"{CARD.hash}\0{event_id}".encode()).hexdigest()[:32],
        rule_id=CARD.id,
        rule_hash=CARD.hash,
        level=CARD.level,
        identity=block.identity,
        host=block.host,
        event_id=event_id,
        event=event,
        received=block.received,
        detected=time.time_ns() // 1000,
        fields={"reason": reason},
    )
