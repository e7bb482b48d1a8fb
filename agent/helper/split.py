"""Divides the agent: this process stays root and becomes the helper, its child gives up root and does the work.

A main process that crashes is started again with back-off and finds the records that came meanwhile. When the
helper is told to stop it first stops the main process; when it is killed, the main process ends by itself.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from agent.config import Config
from agent.exceptions import AlreadyRunningError, ConfigError, IdentityMissingError
from agent.helper.audit import AuditLink
from agent.helper.client import HelperClient
from agent.helper.exceptions import AuditError, SplitError
from agent.helper.files import AllowedFiles
from agent.helper.ledger import Ledger
from agent.helper.privileges import Account, account, become
from agent.helper.serve import Server
from agent.layout import Layout

log = logging.getLogger(__name__)

Main = Callable[[HelperClient], int]

STOP_SECONDS = 15.0
"""How long the main process may take to flush before it is killed."""

BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_SECONDS = 60.0
"""A main process that ran so long begins again with the shortest pause."""

CRASHED = 70
"""Exit status of a main process that raised (EX_SOFTWARE of sysexits.h)."""

UNUSABLE = 78
"""Exit status when the machine or the configuration must be changed first (EX_CONFIG)."""
FINAL = (0, UNUSABLE)
"""After any other status the main process is started again."""

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_split(main: Main, config: Config, layout: Layout) -> int:
    """Run `main(helper)` unprivileged, and be its helper until it returns or this process is told to stop.

    Must be called as root, by the only thread of the process. Returns 0 after a clean stop, 78 (EX_CONFIG) when
    the machine or the configuration must be changed first; a main process that ends otherwise is started again.

    Raises:
        SplitError: not root, no such account, or its data is out of the account's reach.
        OSError: the data directory cannot be prepared.
    """
    if os.geteuid() != 0:
        raise SplitError("only root can divide the agent; without root, run the main process alone")
    who = account(config.user)
    layout.prepare(who.uid, who.gid)
    process = config.sensors.process
    link = AuditLink(Ledger(layout.helper / "audit.json"), process.backlog, process.rate, process.watch)
    server = Server(AllowedFiles(file.path for file in config.sensors.logs.files), link)
    return _Helper(main, who, layout, server).run()


class _Helper:
    """One life of the helper."""

    def __init__(self, main: Main, who: Account, layout: Layout, server: Server) -> None:
        self._main = main
        self._who = who
        self._layout = layout
        self._server = server
        self._child = 0
        self._stop_by = 0.0
        self._alive, self._alive_main = os.pipe2(os.O_CLOEXEC)

    def run(self) -> int:
        wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = {number: signal.signal(number, self._told_to_stop) for number in STOPPING}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wakeup_write)
        self._server.watch_signals(wakeup_read)
        try:
            return self._keep_main()
        finally:
            self._give_back()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for end in (wakeup_read, wakeup_write, self._alive, self._alive_main):
                os.close(end)

    def _told_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stop_by:
            self._stop_by = time.monotonic() + STOP_SECONDS
            if self._child:
                os.kill(self._child, signal.SIGTERM)

    def _keep_main(self) -> int:
        failures = 0
        while True:
            started = time.monotonic()
            status = self._one_main()
            if self._stop_by:
                return max(status, 0)
            if status in FINAL:
                return status
            failures = 0 if time.monotonic() - started > STEADY_SECONDS else failures
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            failures += 1
            what = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            log.error("the main process %s; starting it again in %.1f s", what, pause)
            self._serve_until(time.monotonic() + pause)
            if self._stop_by:
                return 0

    def _one_main(self) -> int:
        """Start a main process and serve it until it ends; its exit status, negative for a signal."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        records, their_records = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        helper = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            ours.close()
            records.close()
            self._be_main(HelperClient(theirs, their_records), helper)
        theirs.close()
        their_records.close()
        self._server.attach(ours, records)
        if self._stop_by:
            os.kill(self._child, signal.SIGTERM)
        try:
            return self._serve_child()
        finally:
            self._server.detach()

    def _serve_child(self) -> int:
        while True:
            ended, status = os.waitpid(self._child, os.WNOHANG)
            if ended:
                self._child = 0
                return os.waitstatus_to_exitcode(status)
            if self._stop_by and time.monotonic() > self._stop_by:
                log.error("the main process did not stop within %g s; killing it", STOP_SECONDS)
                os.kill(self._child, signal.SIGKILL)
            self._server.step(1.0 if self._stop_by else 3_600.0)

    def _serve_until(self, deadline: float) -> None:
        while not self._stop_by and (left := deadline - time.monotonic()) > 0:
            self._server.step(left)

    def _give_back(self) -> None:
        try:
            self._server.close()
        except (AuditError, OSError) as error:
            log.error("the audit state could not be put back now; the next start tries again: %s", error)

    def _be_main(self, client: HelperClient, helper: int) -> None:
        """In the child; never returns."""
        status = CRASHED
        try:
            signal.set_wakeup_fd(-1)
            for number in (*STOPPING, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.close(self._alive_main)
            Path("/proc/self/comm").write_text("lienphong-main")
            become(self._who, helper, [self._layout.spool, self._layout.identity, self._layout.run])
            _watch_helper(self._alive)
            status = self._main(client)
        except (SplitError, AlreadyRunningError, ConfigError, IdentityMissingError) as error:
            log.error("%s", error)
            status = UNUSABLE
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 1
        except BaseException:
            log.exception("the main process failed")
        finally:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def _watch_helper(alive: int) -> None:
    """In a thread that takes no signals: they are the main thread's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Thread(target=_end_with_helper, args=(alive,), name="helper-watch", daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_helper(alive: int) -> None:
    """Wait until no helper holds the other end any more; the kernel's signal should have come before."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
