"""What `test_kill.py` kills: numbers its events from the spool's bookmark on, and says which are durable.

`kill_writer.py SPOOL IDENTITY URL BOOT [LAST]`: with LAST it ends by itself once everything is delivered.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from agent import identity
from agent.config import SpoolConfig, UplinkConfig
from agent.connection import Connection
from agent.renewal import Renewal
from agent.spool import Spool
from agent.spoolfile import Owner
from agent.tally import Tally
from agent.uplink import Uplink
from wire.block import LANES
from wire.event import Event, Logsource


def main() -> None:
    """Write until killed, or deliver all and end."""
    place, directory, url, boot = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    record = identity.load(directory)
    tally = Tally()
    owner = Owner(record.identity.agent, "machine", boot)
    spool = Spool(place, owner, SpoolConfig(delay_seconds=0.01, min_free_bytes=0), tally)
    connection = Connection(identity.parse_url(url, 1), lambda: identity.context(directory), 5)
    uplink = Uplink(
        spool,
        connection,
        Renewal(directory, record),
        UplinkConfig(batch_bytes=64 << 10, backoff_seconds=0.01),
        tally,
    )
    uplink.start()
    following = int(spool.bookmark("next") or b"0")
    print(f"from {following}", flush=True)
    if len(sys.argv) > 5:
        while spool.pending(1) is not None:
            time.sleep(0.01)
        uplink.stop(10)
        spool.close(10)
        return
    while True:
        lane = random.choice(LANES)
        chunk = [event(following + i) for i in range(random.randint(1, 300))]
        following += len(chunk)
        spool.put(lane, chunk, ("next", b"%d" % following))
        if random.random() < 0.3 and spool.flush(10):
            print(f"durable {following}", flush=True)


def event(number: int) -> Event:
    """One numbered event."""
    return Event(time=number, source=Logsource(product="linux"), fields={"n": number, "CommandLine": "x" * 50})


if __name__ == "__main__":
    main()
