"""The gateway as a process of its own, for tests that watch it from outside: `process.py LOOP JSON`."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

import uvloop

from collector import gateway


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    options = json.loads(sys.argv[2])
    for name in ("tls_dir", "inbox_path", "doors_dir"):
        options[name] = Path(options[name])
    work = gateway.serve(**options, ready=lambda: print("ready", flush=True))
    factory = uvloop.new_event_loop if sys.argv[1] == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


if __name__ == "__main__":
    main()
