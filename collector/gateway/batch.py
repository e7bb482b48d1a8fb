"""`POST /v1/batch`: from bytes to a receipt, which is given only for what is durable."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor

from starlette.requests import Request
from starlette.responses import Response

from collector.gateway import body, content
from collector.gateway.admission import Caller, Replica
from collector.gateway.consumers import Consumers
from collector.gateway.content import Judged
from collector.gateway.exceptions import Refused
from collector.gateway.limits import Buckets, Room
from collector.gateway.metrics import Metrics
from collector.gateway.refusals import pause
from collector.gateway.reports import Code, Reports
from collector.gateway.streams import Streams
from collector.inbox import Delivery, Inbox, InboxError, InboxFullError, Outcome
from collector.messages import AgentSeen
from wire import batch, codec
from wire.batch import BatchHeader, Receipt, Refusal
from wire.errors import MalformedError, TooLargeError, WireError

APPEND_S = 30.0
"""An append that takes longer is answered with 503; should it succeed after all, the repeat is a duplicate."""

QUARANTINED: dict[str, Code] = {"content_conflict": "content_conflict", "foreign_block": "foreign_block"}
"""Refusals of a block that no honest agent earns."""


class Batches:
    """The route. One batch is read, taken apart, judged and appended; whatever is wrong with it stays its own."""

    def __init__(
        self,
        replica: Replica,
        inbox: Inbox,
        consumers: Consumers,
        reports: Reports,
        room: Room,
        rate: Buckets,
        executor: Executor,
        metrics: Metrics,
    ) -> None:
        self._replica, self._inbox, self._consumers, self._reports = replica, inbox, consumers, reports
        self._room, self._rate, self._executor, self._metrics = room, rate, executor, metrics
        self._streams = Streams()

    async def post(self, request: Request, caller: Caller) -> Response:
        """Answer one batch with its receipt.

        Raises:
            Refused: nothing of the batch was stored.
        """
        size = body.length(request, batch.MAX_BATCH_BYTES, batch.CONTENT_TYPE)
        self._rate.take(caller.agent, size)
        with self._room.body(caller.agent, size):
            sent = await body.read(request)
            await self._replica.admit(caller.certificate)  # a decision made during a slow upload counts
            receipt = await self._take(sent, caller)
        return Response(codec.encode(receipt), media_type="application/json")

    async def _take(self, sent: bytes, caller: Caller) -> Receipt:
        received = time.time_ns() // 1000
        self._metrics.bytes.inc(len(sent))
        header, packed = _split(sent)
        self._own(header, caller)
        judged = await content.judge(self._executor, header, packed)
        delivery = Delivery(
            identity=caller.certificate.identity,
            host=caller.admission.host,
            stream=header.stream,
            received=received,
            skew=header.sent - received,
            arrivals=judged.arrivals,
            gaps=header.gaps,
        )
        outcome = await self._append(delivery)
        self._note(caller, delivery, outcome)
        return self._receipt(caller, judged, outcome, received)

    def _own(self, header: BatchHeader, caller: Caller) -> None:
        """The batch must be in the sender's own name, and the sender one machine only."""
        if header.agent != caller.agent:
            self._quarantine(caller.agent, "foreign_block", f"sent a batch in the name of agent {header.agent}")
            raise Refused("foreign_block")
        if self._streams.cloned(caller.agent, header.stream, caller.began):
            self._quarantine(
                caller.agent, "cloned_stream", f"stream {header.stream} came back beside its successor"
            )
            raise Refused("cloned_stream")

    async def _append(self, delivery: Delivery) -> Outcome:
        started = time.monotonic()
        appended = asyncio.wrap_future(self._inbox.append(delivery))
        try:
            async with asyncio.timeout(APPEND_S):
                outcome = await asyncio.shield(appended)  # giving up must not cancel what the inbox is writing
        except InboxFullError as error:
            raise Refused("inbox_full", str(error), pause()) from error
        except (InboxError, TimeoutError) as error:
            raise Refused("unavailable", "the inbox does not answer", pause()) from error
        self._metrics.append.observe(time.monotonic() - started)
        if "stored" in outcome.verdicts:
            self._consumers.appended()
        return outcome

    def _receipt(self, caller: Caller, judged: Judged, outcome: Outcome, received: int) -> Receipt:
        stored, refused = [], list(judged.refused)
        for arrival, verdict in zip(judged.arrivals, outcome.verdicts, strict=True):
            if verdict != "conflict":
                self._metrics.blocks.labels(verdict).inc()
                stored.append((arrival.lane, arrival.block))
                continue
            reason = "the collector has other content under this block's identity"
            refused.append(Refusal(lane=arrival.lane, block=arrival.block, code="content_conflict", reason=reason))
        for refusal in refused:
            self._metrics.blocks.labels(refusal.code).inc()
            if code := QUARANTINED.get(refusal.code):
                self._quarantine(caller.agent, code, f"block {refusal.lane}/{refusal.block}: {refusal.reason}")
        return Receipt(time=received, stored=stored, refused=refused, through=outcome.through)

    def _quarantine(self, agent: str, code: Code, detail: str) -> None:
        self._metrics.quarantines.labels(code).inc()
        self._reports.quarantine(agent, code, detail)

    def _note(self, caller: Caller, delivery: Delivery, outcome: Outcome) -> None:
        """Count what was new, and have the responder told that the agent is alive."""
        pairs = zip(delivery.arrivals, outcome.verdicts, strict=True)
        events = sum(arrival.events for arrival, verdict in pairs if verdict == "stored")
        self._metrics.events.inc(events)
        self._metrics.lost.inc(outcome.lost)
        self._reports.seen(
            AgentSeen(
                agent=caller.agent,
                time=delivery.received,
                skew=delivery.skew,
                stream=delivery.stream,
                events=outcome.total.events,
                gaps=outcome.total.gaps,
                lost_events=outcome.total.lost,
                serial=caller.certificate.serial,
            )
        )


def _split(sent: bytes) -> tuple[BatchHeader, list[bytes]]:
    try:
        header, packed = batch.split(sent)
        content.check_header(header)
    except TooLargeError as error:
        raise Refused("too_large", str(error)) from error
    except WireError as error:
        code = "malformed" if isinstance(error, MalformedError) else error.code
        raise Refused(code, str(error)) from error
    return header, packed
