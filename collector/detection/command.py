"""`lienphong-collector detect`: Sigma rules over event files, without a collector."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, process_time

_STARTED = process_time()
_FORMATS = ("text", "json")
_PROGRESS_SECONDS = 0.5
_MAX_JOBS = 64
_MAX_MEMO_MIB = 64 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Match Sigma rules against event files: EVTX, JSON lines or JSON arrays (flat Sigma fields or Windows' "
        "nested Event), plain, .gz or .zst; directories are searched."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="event file or directory; - for standard input")
    parser.add_argument(
        "--rules", nargs="+", action="extend", required=True, type=Path, metavar="PATH",
        help="rule file, directory or archive (.tar.gz, .tar, .zip)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=_FORMATS, default="text", help="how matches are written (default: text)"
    )
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write what was done to FILE, as JSON")
    parser.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="processes that match (default: 1)")
    parser.add_argument(
        "--logsource", type=_logsource, metavar="SOURCE",
        help="log source of events that state none, as in: product=linux,category=process_creation",
    )  # fmt: skip
    parser.add_argument(
        "--placeholders",
        type=Path,
        metavar="FILE",
        help="YAML map of the values of %%name%% in rules that expand them",
    )
    parser.add_argument(
        "--memo", type=_mebibytes, default=64 * 1024 * 1024, metavar="MIB",
        help="memory for remembered values, in MiB; 0 switches it off (default: 64)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Detect; 0 when all was read, 1 when a rule source or an event file could not be."""
    from collector.detection.exceptions import DetectionError

    if sys.stderr is None:  # closed by the caller: `print` would turn to standard output
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 -- for as long as the process lives
    if sys.stdout is None:
        print("detect: standard output is closed; matches have nowhere to go", file=sys.stderr)
        return 1
    collecting = gc.isenabled()
    gc.disable()  # events and rules hold no cycles worth looking for while half a million objects stand
    try:
        return _run(arguments)
    except DetectionError as error:
        print(f"detect: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        _drop_output()
        return 1
    finally:
        if collecting:
            gc.enable()


def _run(arguments: argparse.Namespace) -> int:
    from collector.detection.engine import Engine
    from collector.detection.inputs import event_files
    from collector.detection.load import load
    from collector.detection.offline import detect
    from collector.detection.placeholders import read_placeholders
    from collector.detection.summary import Summary

    placeholders = read_placeholders(arguments.placeholders) if arguments.placeholders else {}
    ruleset = load(arguments.rules, placeholders)
    if not ruleset.found:
        print(f"detect: no rules in {', '.join(map(str, arguments.rules))}", file=sys.stderr)
        return 1
    engine = Engine(ruleset, arguments.memo)
    _keep(engine)
    summary = Summary(engine, process_time() - _STARTED)
    progress = _Progress()
    for result in detect(engine, event_files(arguments.files), arguments.jobs, arguments.logsource):
        summary.add(result)
        with _output():
            summary.write_matches(result, sys.stdout, arguments.format)
        progress.show(result.file, summary.events)
    progress.done()
    summary.end_file()
    with _output():
        sys.stdout.flush()
    summary.match_cpu_seconds = _cpu_seconds() - _STARTED - summary.load_cpu_seconds
    summary.tell(sys.stderr)
    if arguments.summary:
        summary.save(arguments.summary)
    return 1 if summary.failures else 0


@contextmanager
def _output() -> Iterator[None]:
    """What goes wrong in writing matches, as a sentence.

    Raises:
        DetectionError: standard output takes no more.
        BrokenPipeError: nobody reads it any longer.
    """
    from collector.detection.exceptions import DetectionError

    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise DetectionError(f"standard output cannot be written: {error.strerror or error}") from error


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's last flush finds no fault."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _cpu_seconds() -> float:
    """User and system time of this process, its threads and the children it has waited for."""
    times = os.times()
    return process_time() + times.children_user + times.children_system


_KEPT: list[object] = []


def _keep(engine: object) -> None:
    """Let the engine live until the process ends: to take half a million objects apart one by one just before
    would cost as much as matching ten thousand events. The list holds itself, so that nothing takes it apart."""
    _KEPT[:] = [_KEPT, engine]
    gc.freeze()


class _Progress:
    """One line on a terminal that says how far the work is; silent elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._started = self._last = monotonic()

    def show(self, file: str, events: int) -> None:
        now = monotonic()
        if self._shown and now - self._last >= _PROGRESS_SECONDS:
            self._last = now
            rate = events / (now - self._started)
            print(f"\r\x1b[K{events:,} events, {rate:,.0f}/s  {file[-60:]}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _jobs(text: str) -> int:
    jobs = int(text)
    if not 1 <= jobs <= _MAX_JOBS:
        raise argparse.ArgumentTypeError(f"between 1 and {_MAX_JOBS} processes")
    return jobs


def _mebibytes(text: str) -> int:
    size = int(text)
    if not 0 <= size <= _MAX_MEMO_MIB:
        raise argparse.ArgumentTypeError(f"between 0 and {_MAX_MEMO_MIB} MiB")
    return size * 1024 * 1024


def _logsource(text: str) -> object:
    from wire.event import Logsource

    names: dict[str, str] = {}
    for part in text.split(","):
        key, separator, value = part.partition("=")
        if key not in ("product", "category", "service") or not separator or not value:
            raise argparse.ArgumentTypeError(f"{part!r} is not product=…, category=… or service=…")
        names[key] = value.lower()
    return Logsource(**names)
