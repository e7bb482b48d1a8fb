"""Writes the golden files of the protocol version in force: once, at its release. They are kept for ever.

`python tests/wire/make_golden.py` changes no file that is there: a receiver in the field reads these bytes. For
each message there is also what the next version may send: `v` one higher and fields nobody knows yet.
"""

from __future__ import annotations

import json
from pathlib import Path

from wire import batch, block, codec, signed, version
from wire.approval import Approval
from wire.command import Command, command_id
from wire.event import Event, Logsource
from wire.health import HealthSample
from wire.identity import EnrolAnswer, EnrolRequest, Identity, Machine, RenewAnswer, RenewRequest
from wire.result import Result

HERE = Path(__file__).parent / "golden"
AGENT, STREAM, BOOT = "abcdefghij234567", "abcdefghijklmnopqrstuvwx23", "4a2b7f7e-3c51-4b8f-9a61-0d5c2f1e8b90"
TIME = 1_795_500_000_000_000
COMMAND_ID = command_id("run-1", "isolate", 0, AGENT)
FREE = {"fields", "metrics", "facts", "arguments", "through", "force_roots"}
"""Objects whose keys are data."""

WHO = Identity(agent=AGENT, node="tinh/so-khcn/cong-dich-vu", label="cong-an", role="host")

EVENT = Event(
    time=TIME,
    mono=86_400_000_000,
    source=Logsource(product="linux", category="process_creation"),
    origin="kernel",
    fields={
        "Image": "/usr/bin/bash",
        "CommandLine": "bash -c 'echo xin chào'",
        "ProcessId": 4_711,
        "elevated": True,
        "ratio": 0.5,
        "terminal": None,
        "Groups": ["sudo", "adm", 27],
    },
    raw="type=EXECVE msg=audit(1795500000.000:1): argc=3",
)

SAMPLE = HealthSample(
    time=TIME,
    mono=86_400_000_001,
    metrics={"load1": 0.25, "disk_free_bytes./var": 1e10},
    facts={"Hostname": "cổng"},
)

BLOCK = block.Block(
    agent=AGENT, stream=STREAM, lane="security", block=7, boot=BOOT, events=[EVENT, EVENT], health=[SAMPLE]
)
PACKED = block.pack(BLOCK)
GAP = block.Gap(lane="routine", first=3, last=9, events=120, reason="evicted")
HEADER = batch.BatchHeader(
    agent=AGENT,
    stream=STREAM,
    boot=BOOT,
    sent=TIME,
    mono=86_400_000_002,
    blocks=[block.reference(BLOCK, PACKED)],
    gaps=[GAP],
)
MACHINE = Machine(
    hostname="cong-dv", machine_id="0f" * 16, os="Debian GNU/Linux 12", kernel="6.1.0", version="0.1.0"
)

MESSAGES = {
    "event": EVENT,
    "health": SAMPLE,
    "block": BLOCK,
    "batch_header": HEADER,
    "receipt": batch.Receipt(
        time=TIME,
        stored=[("security", 7)],
        refused=[batch.Refusal(lane="routine", block=10, code="malformed", reason="field too long")],
        through={"security": 7, "routine": 9},
    ),
    "problem": batch.Problem(
        code="inbox_full", title="The inbox is full", status=503, detail="quota", retry_after=5
    ),
    "command": Command(
        id=COMMAND_ID,
        agent=AGENT,
        verb="contain",
        action="isolate_host",
        arguments={"reason": "drill"},
        issued=TIME,
        not_before=TIME,
        expires=TIME + 60_000_000,
        ttl=900,
        rollback="release_host",
        run="run-1",
        step="isolate",
        iteration=2,
        drill=True,
    ),
    "approval": Approval(
        digest="ab" * 32,
        person="nguoi.duyet",
        force="cong_an",
        decision="approve",
        reason="diễn tập",
        register=4,
        given=TIME,
        expires=TIME + 600_000_000,
    ),
    "result": Result(
        command=COMMAND_ID,
        agent=AGENT,
        outcome="done",
        code="ok",
        detail="nft",
        time=TIME,
        until=TIME + 900_000_000,
    ),
    "identity": WHO,
    "enrol_request": EnrolRequest(token_id="t1", token_secret="s", csr="PEM", machine=MACHINE),
    "enrol_answer": EnrolAnswer(
        identity=WHO, certificate="PEM", ca="PEM", agents_port=7443, time=TIME, force_roots={"police": "00" * 32}
    ),
    "renew_request": RenewRequest(csr="PEM"),
    "renew_answer": RenewAnswer(certificate="PEM"),
    "signed": signed.seal("command", b'{"v":1}', "cd" * 32, b"signature"),
}


def following(value: object, name: str = "") -> object:
    """The same message as the next version may send it."""
    if isinstance(value, list):
        return [following(item) for item in value]
    if not isinstance(value, dict) or name in FREE:
        return value
    grown = {key: following(item, key) for key, item in value.items()}
    if "v" in grown:
        grown["v"] = version.VERSION + 1
    return {"from_the_future": {"a": [1, None]}, **grown, "zz_unknown": "x" * 10}


def files() -> dict[str, bytes]:
    """Every golden file of this version: name and content."""
    found = {f"{name}.json": codec.encode(message) for name, message in MESSAGES.items()}
    for name, data in list(found.items()):
        found[f"next/{name}"] = json.dumps(following(json.loads(data)), ensure_ascii=False).encode()
    later = codec.compress(found["next/block.json"])
    announced = block.announce(BLOCK.lane, BLOCK.block, 3, later)
    header = batch.BatchHeader(
        v=version.VERSION + 1, agent=AGENT, stream=STREAM, sent=TIME, blocks=[announced], gaps=[GAP]
    )
    found["block.zst"] = PACKED
    found["batch.bin"] = batch.join(HEADER, [PACKED])
    found["next/batch.bin"] = batch.join(header, [later])
    return found


def main() -> None:
    """Write what is not there yet."""
    directory = HERE / f"v{version.VERSION}"
    (directory / "next").mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        path = directory / name
        if not path.exists():
            path.write_bytes(content)
            print("written", path.relative_to(HERE))


if __name__ == "__main__":
    main()
