"""Alerts: matches counted into them, what people do with them, and how they are read."""

from collector.incidents.documents import Action, AlertDetail, AlertPage, AlertRow, Delta, Outcome, Totals
from collector.incidents.exceptions import BadCursorError, IncidentError, UnknownAlertError
from collector.incidents.intake import take
from collector.incidents.integrity import quarantined
from collector.incidents.rules import rule_report, store_report
from collector.incidents.selection import Filters
from collector.incidents.totals import read as totals_within
from collector.incidents.triage import act
from collector.incidents.version import current as head
from collector.incidents.views import detail, page, since

__all__ = [
    "Action",
    "AlertDetail",
    "AlertPage",
    "AlertRow",
    "BadCursorError",
    "Delta",
    "Filters",
    "IncidentError",
    "Outcome",
    "Totals",
    "UnknownAlertError",
    "act",
    "detail",
    "head",
    "page",
    "quarantined",
    "rule_report",
    "since",
    "store_report",
    "take",
    "totals_within",
]
