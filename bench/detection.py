"""Detection: events per CPU second, loading, memory, against JSON decoding and a naive evaluator.

Each line is JSON: {"bench", "figure", "value", "unit", "baseline", "ratio"}; `ratio` is value over baseline.
Rules and events are the public ones beside the project; where they are absent, generated ones take their place
and are named so.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import process_time

import msgspec
import yaml
import zstandard

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from collector.detection.engine import Engine  # noqa: E402
from collector.detection.load import load  # noqa: E402
from collector.detection.rules import RuleSet  # noqa: E402
from collector.detection.values import Scalar  # noqa: E402
from tests.detection.oracle import OracleRule  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "sigma"
SETS = ("evtx-hayabusa", "otrf-200k")
QUICK_EVENTS = 40_000
MEMO_BYTES = 64 * 1024 * 1024

Decode = Callable[[bytes], dict[str, Scalar]]


def tell(figure: str, value: float, unit: str, baseline: float | None = None) -> None:
    """Print one figure."""
    line = {
        "bench": "detection",
        "figure": figure,
        "value": round(value, 3),
        "unit": unit,
        "baseline": None if baseline is None else round(baseline, 3),
        "ratio": round(value / baseline, 3) if baseline else None,
    }
    print(json.dumps(line), flush=True)


def cpu_seconds(work: Iterable[object]) -> float:
    """CPU time to run through `work`."""
    started = process_time()
    for _ in work:
        pass
    return process_time() - started


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events: under a minute")
    quick = parser.parse_args().quick
    gc.disable()
    with tempfile.TemporaryDirectory() as scratch:
        rules = [DATA / "sigmahq-rules.tar.gz"]
        if not DATA.is_dir():
            print("../shared/data is absent: generated rules and events instead", file=sys.stderr)
            rules = [generated_rules(Path(scratch))]
        ruleset = measure_loading(rules)
        for name in SETS if DATA.is_dir() else ("generated",):
            lines = list(events_of(name, QUICK_EVENTS if quick else None))
            measure_matching(name, ruleset, lines)
            measure_oracle(name, ruleset, lines, 40 if quick else 200)


def measure_loading(rules: list[Path]) -> RuleSet:
    """Parsing and compiling, each on its own and together."""
    started = process_time()
    ruleset = load(rules)
    parsed = process_time()
    Engine(ruleset)
    tell("rules found", ruleset.found, "rules")
    tell("rules parsed", parsed - started, "CPU s")
    tell("rules compiled", process_time() - parsed, "CPU s")
    tell("load", process_time() - started, "CPU s")
    tell("memory after loading", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB resident")
    return ruleset


def measure_matching(name: str, ruleset: RuleSet, lines: list[bytes]) -> None:
    """Decoding and matching, the memo cold and then off; half the rules, for how cost grows with them."""
    decode = msgspec.json.Decoder(dict[str, Scalar]).decode
    decoding = len(lines) / cpu_seconds(decode(line) for line in lines)
    tell(f"{name}: JSON decode alone", decoding, "events/CPU s")
    tell(f"{name}: cold memo", rate(Engine(ruleset, MEMO_BYTES), decode, lines), "events/CPU s", decoding)
    half = RuleSet(ruleset.rules, ruleset.branches[::2], (), ())
    halved = rate(Engine(half, MEMO_BYTES), decode, lines)
    tell(f"{name}: cold memo, half the rules", halved, "events/CPU s", decoding)
    tell(f"{name}: memo off", rate(Engine(ruleset, 0), decode, lines[:QUICK_EVENTS]), "events/CPU s", decoding)


def rate(engine: Engine, decode: Decode, lines: list[bytes]) -> float:
    """Events per CPU second, decoded and matched."""
    return len(lines) / cpu_seconds(engine.match(decode(line)) for line in lines)


def measure_oracle(name: str, ruleset: RuleSet, lines: list[bytes], count: int) -> None:
    """The naive evaluator on a sample, beside the engine on the same events."""
    decode = msgspec.json.Decoder(dict[str, Scalar]).decode
    sample = random.Random(7).sample(lines, min(count, len(lines)))
    windows = [OracleRule(rule.document) for rule in ruleset.rules if rule.logsource.product == "windows"]
    oracles = [rule for rule in windows if rule.mapped]
    naive = len(sample) / cpu_seconds([rule.matches(event) for rule in oracles] for event in map(decode, sample))
    tell(f"{name}: naive evaluator", naive, "events/CPU s")
    tell(f"{name}: engine on the same sample", rate(Engine(ruleset), decode, sample), "events/CPU s", naive)


def events_of(name: str, limit: int | None) -> Iterator[bytes]:
    """Event lines of a public data set, or generated ones."""
    if name == "generated":
        yield from generated_events(limit or 100_000)
        return
    with (DATA / f"{name}.jsonl.zst").open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
        lines = stream.read().split(b"\n")
    yield from [line for line in lines if line][:limit]


def generated_events(count: int) -> Iterator[bytes]:
    """Process starts with command lines that are rarely the same twice."""
    chance = random.Random(1)
    for number in range(count):
        image = f"C:\\Windows\\System32\\tool{chance.randrange(400)}.exe"
        event = {
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "EventID": 1,
            "Image": image,
            "CommandLine": f"{image} -flag{chance.randrange(50)} value{number}",
            "ParentImage": "C:\\Windows\\explorer.exe",
            "User": f"HOST\\user{chance.randrange(30)}",
        }
        yield msgspec.json.encode(event)


def generated_rules(directory: Path) -> Path:
    """A thousand rules over the generated events' fields."""
    path = directory / "rules.yml"
    documents = [
        {
            "title": f"Rule {number}",
            "logsource": {"product": "windows", "category": "process_creation"},
            "detection": {
                "selection": {
                    "Image|endswith": f"\\tool{number}.exe",
                    "CommandLine|contains": f"-flag{number % 60} ",
                },
                "condition": "selection",
            },
        }
        for number in range(1_000)
    ]
    path.write_text("---\n".join(yaml.safe_dump(document) for document in documents))
    return path


if __name__ == "__main__":
    main()
