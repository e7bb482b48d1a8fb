"""The small root process: takes part in auditing and opens configured log files; the rest runs unprivileged."""

from agent.helper.client import HelperClient, RecordBatch
from agent.helper.exceptions import AuditError, OpenRefusedError, SplitError
from agent.helper.split import run_split

__all__ = ["AuditError", "HelperClient", "OpenRefusedError", "RecordBatch", "SplitError", "run_split"]
