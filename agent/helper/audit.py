"""Takes part in the machine's audit system: as its owner when nobody is, beside the owner otherwise.

As owner (unicast) every record comes to us; beside an owner such as auditd we listen (multicast) and leave its
settings alone, but for three that keep the host from waiting: auditing is on, the backlog is no smaller than ours,
and a full backlog loses records (counted) instead of blocking processes. All of it is put back on leaving.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence

from agent import clock
from agent.helper import kernel, rules, status, watches
from agent.helper.exceptions import AuditError
from agent.helper.ledger import Entry, Ledger
from agent.helper.netlink import AuditSocket
from agent.helper.verdict import Mode, alive, judge

log = logging.getLogger(__name__)

COURTESY_SECONDS = 60.0
"""How long the place of owner is left free for another that asked for it."""


class AuditLink:
    """Our part in the audit system, from `take` to `give_back`. Not thread-safe: the helper's loop owns it."""

    def __init__(self, ledger: Ledger, backlog: int, rate: int, places: Sequence[str] = ()) -> None:
        """`backlog`: records the kernel may hold; `rate`: records a second it may pass on, 0 for no limit;
        `places`: files and directories to watch, those that are there."""
        self.mode: Mode = "off"
        self.lost = 0
        self.places = tuple(places)
        self._ledger = ledger
        self._backlog = backlog
        self._rate = rate
        self._socket: AuditSocket | None = None
        self._lost_before = 0
        self._overruns = 0
        self._entry = Entry(boot=clock.boot_id(), prior={}, ours={}, rules=[])
        self._courtesy_until = 0.0
        self._refused: set[bytes] = set()

    @property
    def socket(self) -> AuditSocket:
        """Where records arrive."""
        if self._socket is None:
            raise AuditError("the audit system is not taken")
        return self._socket

    @property
    def overruns(self) -> int:
        """How often the kernel dropped records because we read too slowly; it does not say how many."""
        return self._overruns + (self._socket.overruns if self._socket else 0)

    def take(self) -> None:
        """Begin: put back what a killed predecessor left, then become owner or listener and see to the rules.

        Raises:
            AuditError: refused; nothing of ours stays changed.
        """
        self._open(listen=False)
        try:
            recover(self.socket, self._ledger)
            now = kernel.get_status(self.socket)
            self._lost_before = now.lost
            verdict = judge(now, kernel.get_rules(self.socket))
            if not verdict.works:
                raise AuditError(f"{verdict.reason}. {verdict.fix}")
            self._join(now)
            if self.mode == "owner":
                self._clear_remains()
            self._apply(now)
        except BaseException:
            self.give_back()
            raise

    def tend(self) -> None:
        """Look after it every few seconds: count what the kernel lost, follow a change of owner, and put back
        rules and settings that somebody removed.

        Raises:
            AuditError: the kernel no longer lets us.
        """
        now = kernel.get_status(self.socket)
        self.lost += now.lost - self._lost_before if now.lost >= self._lost_before else now.lost
        self._lost_before = now.lost
        courtesy = now.pid == 0 and time.monotonic() < self._courtesy_until
        if (now.pid == os.getpid()) != (self.mode == "owner") or (self._vacant(now) and not courtesy):
            self._join(now)
        self._apply(now)

    def give_way(self) -> None:
        """Somebody wants to be owner (AUDIT_REPLACE): go on as a listener, so that its next try succeeds."""
        log.warning("another audit daemon asks to own the audit records: going on beside it")
        self._courtesy_until = time.monotonic() + COURTESY_SECONDS
        kernel.disown(self.socket)
        self._listen()

    def give_back(self) -> None:
        """End: give up ownership, delete our rules, put back every setting that still is as we set it."""
        if self._socket is None:
            return
        try:
            if self.mode == "owner" and kernel.get_status(self._socket).pid == os.getpid():
                kernel.disown(self._socket)
            recover(self._socket, self._ledger)
        finally:
            self._overruns += self._socket.overruns
            self._socket.close()
            self._socket, self.mode = None, "off"
            self._entry = Entry(boot=self._entry.boot, prior={}, ours={}, rules=[])

    def _open(self, listen: bool) -> None:
        fresh = AuditSocket(listen)
        if self._socket is not None:
            self._overruns += self._socket.overruns
            self._socket.close()
        self._socket = fresh

    def _vacant(self, now: status.AuditStatus) -> bool:
        return now.pid == 0 or not alive(now.pid)

    def _join(self, now: status.AuditStatus) -> None:
        """Owner if the place is free, listener otherwise. The kernel asks an owner that it still knows and that
        does not live any more, and finds out."""
        if self.mode == "beside" and self._vacant(now):
            self._open(listen=False)
        if self._vacant(now) and kernel.own(self.socket):
            self.mode = "owner"
            log.info("audit: owner of the records")
        else:
            self._listen()

    def _clear_remains(self) -> None:
        """Rules of a killed agent whose data directory is gone, its ledger with it: nobody else deletes them."""
        for rule in kernel.get_rules(self.socket):
            starts = any(rule.covers(*call) for call in rules.exec_calls().items())
            if (rule.key == rules.KEY and starts) or watches.is_ours(rule):
                kernel.delete_rule(self.socket, rule.data)

    def _listen(self) -> None:
        self._open(listen=True)
        self.mode = "beside"
        log.info("audit: listening beside their owner")

    def _apply(self, now: status.AuditStatus) -> None:
        """Set what is not yet as we need it, each change in the ledger before it is made."""
        wanted = {name: value for name, value in self._wanted(now).items() if getattr(now, name) != value}
        absent = self._absent(now)
        if not wanted and not absent:
            return
        entry = self._entry
        found = {name: getattr(now, name) for name in wanted if name not in entry.prior}
        added = [rule.hex() for rule in absent if rule.hex() not in entry.rules]
        self._entry = Entry(
            boot=entry.boot,
            prior={**entry.prior, **found},
            ours={**entry.ours, **wanted},
            rules=[*entry.rules, *added],
        )
        self._ledger.write(self._entry)
        self._change(wanted, absent)

    def _change(self, wanted: dict[str, int], absent: list[bytes]) -> None:
        if absent:
            log.info("audit: adding %d rules", len(absent))
        for rule in absent:
            self._add(rule)
        if wanted:
            log.info("audit: setting %s", ", ".join(f"{name}={value}" for name, value in wanted.items()))
            kernel.change(self.socket, wanted)

    def _absent(self, now: status.AuditStatus) -> list[bytes]:
        """Rules to be added. Watches add no load where a lost record halts the machine."""
        if now.enabled == status.LOCKED:
            return []
        there = kernel.get_rules(self.socket)
        if self.mode == "beside" and now.failure == status.PANIC_ON_LOSS:
            return rules.missing(there)
        watching = [rule for rule in watches.missing(self.places, there) if rule not in self._refused]
        return [*rules.missing(there), *watching]

    def _add(self, rule: bytes) -> None:
        """A place that cannot be watched (its file system; it has just gone) takes nothing from the rest."""
        try:
            kernel.add_rule(self.socket, rule)
        except AuditError as error:
            place = rules.decode(rule).place
            if not place:
                raise
            if not isinstance(error.__cause__, FileNotFoundError):
                log.warning("%s is not watched: %s", place, error)
                self._refused.add(rule)

    def _wanted(self, now: status.AuditStatus) -> dict[str, int]:
        if now.enabled == status.LOCKED:
            return {}
        never_wait = {"enabled": 1, "backlog_wait_time": 0}
        if self.mode == "beside":
            return {**never_wait, "backlog_limit": max(self._backlog, now.backlog_limit)}
        own = {"failure": status.PRINT_ON_LOSS, "rate_limit": self._rate, "backlog_limit": self._backlog}
        return {**never_wait, **own}


def recover(socket: AuditSocket, ledger: Ledger) -> None:
    """Put back what the ledger says was changed, except what somebody has set otherwise since.

    Raises:
        AuditError: the kernel refused, or the ledger is not readable.
    """
    entry = ledger.read(clock.boot_id())
    if entry is not None:
        now = kernel.get_status(socket)
        if now.enabled != status.LOCKED:
            for rule in entry.rules:
                kernel.delete_rule(socket, bytes.fromhex(rule))
            ours = {name for name, value in entry.ours.items() if getattr(now, name) == value}
            if ours:
                kernel.change(socket, {name: entry.prior[name] for name in sorted(ours)})
    ledger.clear()
