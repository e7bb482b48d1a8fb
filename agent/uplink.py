"""Batches out: the spool's parcels to the collector, each until it is acknowledged.

A parcel is taken anew for every try, so that what is urgent goes first even after an outage; its blocks are the
same bytes whenever they are sent. Nothing leaves the spool before the collector says that it is durable there, or
says of one block that it will never be taken, which makes it a counted loss.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import Literal

from msgspec import Struct

from agent import answers, clock, own
from agent.answers import DoorClosedError, LaterError, ParcelRefusedError
from agent.backoff import Backoff
from agent.config import UplinkConfig
from agent.connection import Connection
from agent.exceptions import AgentError, SpoolClosedError
from agent.outbox import Parcel
from agent.renewal import Renewal
from agent.spool import Spool
from agent.tally import Tally
from wire import batch
from wire.batch import BatchHeader, Receipt, Refusal

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
"""At the most between two looks at the certificate's age."""

GROW_BYTES = 64 << 10
"""How much more a batch may hold after each success, once it had to be cut down."""

Phase = Literal["starting", "delivering", "idle", "waiting", "refused"]


class State(Struct, kw_only=True):
    """For status and metrics. Times are µs UTC, 0 for never. `refused`: the collector does not let us speak."""

    phase: Phase = "starting"
    last_error: str = ""
    last_success: int = 0
    next_try: int = 0


class Uplink:
    """One thread that empties the spool. `start`, later `stop`."""

    def __init__(
        self, spool: Spool, connection: Connection, renewal: Renewal, config: UplinkConfig, tally: Tally
    ) -> None:
        self.state = State()
        self.skew = clock.Skew()
        self._spool = spool
        self._connection = connection
        self._renewal = renewal
        self._config = config
        self._tally = tally
        self._backoff = Backoff(config.backoff_seconds, config.backoff_max_seconds)
        self._limit = config.batch_bytes
        self._boot = clock.boot_id()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="uplink", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def alive(self) -> bool:
        """False once its thread has ended, which it does only when stopped or through a defect."""
        return self._thread.is_alive()

    def stop(self, timeout: float) -> None:
        """Stop within `timeout` seconds; unless the collector is away, what is there is delivered first."""
        self._stop.set()
        self._spool.ready.set()
        self._thread.join(timeout)

    def _work(self) -> None:
        while not self._stop.is_set():
            self._renew()
            pause = self._step()
            if pause:
                self.state.next_try = clock.now_us() + int(pause * 1e6)
                self._stop.wait(pause)
            elif self.state.phase == "idle":
                self._spool.ready.wait(IDLE_SECONDS)
        if self.state.phase in ("idle", "delivering"):
            self._drain()
        self._connection.close()

    def _drain(self) -> None:
        while not self._step() and self.state.phase == "delivering":
            log.debug("delivering what is left")

    def _step(self) -> float:
        """Deliver one parcel; the seconds to wait before the next try, 0 after a success or when all is done."""
        self._spool.ready.clear()
        parcel: Parcel | None = None
        try:
            parcel = self._spool.pending(self._limit)
            if parcel is None:
                self.state.phase = "idle"
                return 0.0
            self._deliver(parcel)
        except ParcelRefusedError as error:
            return self._lessen(parcel, error) if parcel else 0.0
        except DoorClosedError as error:
            return self._wait("refused", error, self._config.refused_retry_seconds)
        except LaterError as error:
            return self._wait("waiting", error, error.retry_after)
        except AgentError as error:
            return self._wait("waiting", error, 0.0)
        return 0.0

    def _deliver(self, parcel: Parcel) -> None:
        header = BatchHeader(
            agent=self._renewal.record.identity.agent,
            stream=parcel.stream,
            boot=self._boot,
            sent=clock.now_us(),
            mono=clock.mono_us(),
            blocks=parcel.refs,
            gaps=parcel.gaps,
        )
        body = batch.join(header, parcel.packed)
        self._tally.add("uplink_bytes", len(body))
        answer = self._connection.request("POST", "/v1/batch", body, {"Content-Type": batch.CONTENT_TYPE})
        receipt = answers.receipt(answer)
        received = clock.now_us()
        self.skew.observe(header.sent, received, receipt.time)
        self._spool.acknowledge(parcel, receipt)
        self._succeeded(receipt, received)

    def _succeeded(self, receipt: Receipt, now: int) -> None:
        for refusal in receipt.refused:
            log.error("block %s/%d refused: %s (%s)", refusal.lane, refusal.block, refusal.reason, refusal.code)
            self._tally.add("uplink_refused_blocks", 1, refusal.code)
        if self._backoff.failures:
            log.info("the collector is back after %d failed tries", self._backoff.failures)
        self._tally.add("uplink_batches", 1, "delivered")
        self._backoff.reset()
        self._limit = min(self._config.batch_bytes, self._limit + GROW_BYTES)
        self.state.phase, self.state.last_success, self.state.last_error = "delivering", now, ""

    def _lessen(self, parcel: Parcel, error: ParcelRefusedError) -> float:
        """Send less at once; a single block that is refused is given up, and counted."""
        self._tally.add("uplink_batches", 1, error.code)
        if len(parcel.refs) > 1:
            self._limit = max(1, sum(ref.size for ref in parcel.refs) // 2)
            return 0.0
        if not parcel.refs:
            return self._wait("refused", error, self._config.refused_retry_seconds)
        ref = parcel.refs[0]
        refusal = Refusal(lane=ref.lane, block=ref.block, code=error.code, reason=str(error))
        self._tally.add("uplink_refused_blocks", 1, error.code)
        try:
            self._spool.acknowledge(parcel._replace(gaps=[]), Receipt(time=0, refused=[refusal]))
        except AgentError as failure:
            return self._wait("waiting", failure, 0.0)
        return self._wait("waiting", error, 0.0)

    def _wait(self, phase: Phase, error: AgentError, retry_after: float) -> float:
        pause = self._backoff.next(retry_after)
        text = str(error)
        if text != self.state.last_error:
            log.warning("%s; next try in %.1f s", text, pause)
        self._tally.add("uplink_batches", 1, "refused" if phase == "refused" else "failed")
        self.state.phase, self.state.last_error = phase, text
        return max(pause, 0.001)

    def _renew(self) -> None:
        url = self._connection.address.url()
        if self._renewal.attempt(url, self.skew.offset_us or 0):
            self._connection.close()
            until = self._renewal.record.not_after
            with suppress(SpoolClosedError):
                self._spool.put(own.LANE, [own.event("certificate_renewed", valid_until_us=until)])
            log.info("the certificate was renewed")
