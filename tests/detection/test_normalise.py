"""Events of every form become the same flat fields."""

from __future__ import annotations

from typing import Any

import pytest

from collector.detection.exceptions import EventError
from collector.detection.normalise import normalise, time_of
from wire.event import Logsource

FLAT = {
    "Provider_Name": "Sysmon",
    "EventID": 7045,
    "Qualifiers": 16384,
    "SystemTime": "2024-01-02T03:04:05Z",
    "Channel": "System",
    "UserID": "S-1-5-18",
    "ThreatName": "x",
}


@pytest.mark.parametrize(
    "event",
    [
        {  # the evtx library
            "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
            "System": {
                "Provider": {"#attributes": {"Name": "Sysmon"}},
                "EventID": {"#attributes": {"Qualifiers": 16384}, "#text": 7045},
                "TimeCreated": {"#attributes": {"SystemTime": "2024-01-02T03:04:05Z"}},
                "Channel": "System",
                "Security": {"#attributes": {"UserID": "S-1-5-18"}},
            },
            "EventData": {"#attributes": {"Name": "y"}, "Threat Name": "x"},
        },
        {  # evtx_dump with separate attributes
            "System": {
                "Provider_attributes": {"Name": "Sysmon"},
                "EventID_attributes": {"Qualifiers": 16384},
                "EventID": 7045,
                "TimeCreated_attributes": {"SystemTime": "2024-01-02T03:04:05Z"},
                "Channel": "System",
                "Security_attributes": {"UserID": "S-1-5-18"},
            },
            "EventData": {"Threat Name": "x"},
        },
        {  # XML turned to JSON name by name
            "@xmlns": "http://schemas.microsoft.com/win/2004/08/events/event",
            "System": {
                "Provider": {"@Name": "Sysmon"},
                "EventID": {"@Qualifiers": 16384, "#text": 7045},
                "TimeCreated": {"@SystemTime": "2024-01-02T03:04:05Z"},
                "Channel": "System",
                "Security": {"@UserID": "S-1-5-18"},
            },
            "EventData": {"Data": [{"@Name": "Threat Name", "#text": "x"}]},
        },
    ],
)
def test_windows_events(event: dict[str, Any]) -> None:
    normal = normalise({"Event": event})
    assert normal.fields == FLAT
    assert normal.logsource is None


def test_windows_data_without_names_and_user_data() -> None:
    system = {"EventID": 1, "Channel": "Application"}
    unnamed = normalise(
        {"Event": {"System": system, "EventData": {"Data": {"#text": ["a", "b"]}, "Binary": None}}}
    )
    assert unnamed.fields == {"EventID": 1, "Channel": "Application", "Data": ["a", "b"], "Binary": None}
    user = {"EventXML": {"#attributes": {"xmlns": "x"}, "Name": "n", "Inner": {"Leaf": 1}, "Channel": "forged"}}
    assert normalise({"Event": {"System": system, "UserData": user}}).fields == {
        "EventID": 1,
        "Channel": "Application",
        "Name": "n",
        "Leaf": 1,
    }
    assert normalise({"Event": {"System": system, "EventData": None}}).fields["EventData"] is None


def test_nested_values_get_dotted_names() -> None:
    event = {"a": {"b": {"c": 1}}, "list": [1, {"x": 2}, {"x": 3}, [4]], "empty": []}
    assert normalise(event).fields == {"a.b.c": 1, "list": [4, 1], "list.x": [2, 3], "empty": []}


@pytest.mark.parametrize(
    ("event", "source"),
    [
        (
            {"logsource": {"product": "Linux", "service": "sshd"}, "x": 1},
            Logsource(product="linux", service="sshd"),
        ),
        (
            {"product": "linux", "category": "process_creation"},
            Logsource(product="linux", category="process_creation"),
        ),
        ({"category": "proxy"}, Logsource(category="proxy")),
        ({"Channel": "System", "product": "windows"}, None),
        ({"service": "sshd"}, None),
        ({"product": 5}, None),
    ],
)
def test_stated_log_sources(event: dict[str, Any], source: Logsource | None) -> None:
    assert normalise(event).logsource == source


def test_the_products_own_events() -> None:
    source = {"product": "linux", "service": "sshd"}
    event = {"time": 1_700_000_000_000_000, "source": source, "fields": {"User": "a"}, "raw": "the line"}
    normal = normalise(event)
    assert normal.logsource == Logsource(product="linux", service="sshd")
    assert normal.fields["raw"] == "the line"
    assert time_of(normal.fields) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("event", [None, 5, "x", [], {"Event": {"System": 5}}])
def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(EventError):
        normalise(event)


def test_depth_and_width_are_bounded() -> None:
    event: dict[str, Any] = {}
    for _ in range(100):
        event = {"a": event, "b": [event]}
    for hostile in (event, {"Event": {"System": {}, "EventData": event}}, {f"f{n}": n for n in range(30_000)}):
        with pytest.raises(EventError):
            normalise(hostile)
