"""Events of every supported form as flat Sigma fields and the log source that they state.

Forms: flat fields; Windows' `Event` as EVTX readers write it in JSON; the product's own wire event. Nested
values of a flat event become dotted names (`userIdentity.type`), lists of maps become lists under the dotted
name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from collector.detection.exceptions import EventError
from collector.detection.values import moment_of, text_of
from wire.event import Logsource

MAX_DEPTH = 32
"""Levels of nesting in an event."""
MAX_FIELDS = 20_000
"""Values of one event, written flat."""
_TIME_FIELDS = ("SystemTime", "TimeCreated", "@timestamp", "timestamp", "UtcTime", "EventTime", "time")
_PLAIN_ATTRIBUTES = frozenset(["TimeCreated", "Security", "Correlation"])
"""Parts of `System` whose attributes are known by their own name."""
_OWN_BY_SYSTEM = frozenset(["Channel", "EventID", "Provider_Name"])

Fields = dict[str, object]


class NormalEvent(NamedTuple):
    """A flat event. `logsource` is `None` where the event states none; `time` as the event writes it."""

    fields: Fields
    logsource: Logsource | None


def normalise(event: object) -> NormalEvent:
    """The event in flat form, whatever form it came in.

    Raises:
        EventError: it is no map, or nested or wide beyond the bounds.
    """
    if not isinstance(event, dict):
        raise EventError(f"an event must be an object, not {_kind(event)}")
    nested = event.get("Event")
    if isinstance(nested, dict):
        return NormalEvent(_windows_event(nested), None)
    source, fields = event.get("source"), event.get("fields")
    if isinstance(source, dict) and isinstance(fields, dict):
        return _wire_event(event, source, fields)
    flat: Fields = {}
    _flatten(flat, "", {name: value for name, value in event.items() if name != "logsource"}, 0)
    named = event.get("logsource")
    return NormalEvent(flat, _named(named) if isinstance(named, dict) else stated(flat))


def stated(fields: Mapping[str, object]) -> Logsource | None:
    """The log source that a flat event states by its fields `product`, `category` and `service`."""
    if "Channel" in fields or not ("product" in fields or "category" in fields):
        return None
    return _named(fields)


def time_of(fields: Mapping[str, object]) -> str | None:
    """The event's time, ISO 8601 UTC, from the first known time field that holds one."""
    for name in _TIME_FIELDS:
        text = text_of(fields.get(name))
        moment = moment_of(text) if text else None
        if moment is not None:
            return moment.isoformat().replace("+00:00", "Z")
    return None


def _named(names: Mapping[str, object]) -> Logsource | None:
    product, category, service = (_name(names.get(key)) for key in ("product", "category", "service"))
    if not (product or category or service):
        return None
    return Logsource(product=product, category=category, service=service)


def _name(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _wire_event(event: Mapping[str, object], source: Mapping[str, object], fields: Fields) -> NormalEvent:
    flat: Fields = {}
    _flatten(flat, "", fields, 0)
    time, raw = event.get("time"), event.get("raw")
    if isinstance(time, int) and not any(name in flat for name in _TIME_FIELDS):
        flat["@timestamp"] = (
            datetime.fromtimestamp(time / 1_000_000, UTC).isoformat() if 0 <= time < 1e17 else time
        )
    if isinstance(raw, str):
        flat.setdefault("raw", raw)
    return NormalEvent(flat, _named(source))


def _flatten(into: Fields, prefix: str, value: Mapping[str, object], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise EventError(f"nested deeper than {MAX_DEPTH} levels")
    for name, below in value.items():
        path = f"{prefix}{name}"
        if isinstance(below, dict):
            _flatten(into, f"{path}.", below, depth + 1)
        elif isinstance(below, list):
            _flatten_list(into, path, below, depth + 1)
        else:
            _add(into, path, below)


def _flatten_list(into: Fields, path: str, values: list[object], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise EventError(f"nested deeper than {MAX_DEPTH} levels")
    scalars: list[object] = []
    for value in values:
        if isinstance(value, dict):
            part: Fields = {}
            _flatten(part, f"{path}.", value, depth)
            for name, below in part.items():
                known = into.setdefault(name, [])
                merged = known if isinstance(known, list) else [known]
                into[name] = [*merged, *(below if isinstance(below, list) else [below])]
        elif isinstance(value, list):
            _flatten_list(into, path, value, depth + 1)
        else:
            scalars.append(value)
    if scalars or path not in into:
        known = into.get(path)
        into[path] = [*known, *scalars] if isinstance(known, list) else scalars


def _add(into: Fields, name: str, value: object) -> None:
    if len(into) >= MAX_FIELDS:
        raise EventError(f"more than {MAX_FIELDS} values in one event")
    into[name] = value


def _windows_event(event: Mapping[str, object]) -> Fields:
    fields: Fields = {}
    system = event.get("System")
    if not isinstance(system, dict):
        raise EventError("Event has no System section")
    for name, value in _system_fields(system):
        fields[name] = value
    for section, content in event.items():
        if section == "System" or section.startswith(("#", "@")):
            continue
        for name, value in _data_fields(section, content, 0):
            if name in _OWN_BY_SYSTEM and name in fields:
                continue
            _add(fields, name.replace(" ", ""), value)
    return fields


def _system_fields(system: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in system.items():
        attributes, text = _parts(name, value)
        name = name.removesuffix("_attributes")
        for attribute, content in attributes.items():
            plain = name in _PLAIN_ATTRIBUTES or attribute == "Qualifiers"
            yield (attribute if plain else f"{name}_{attribute}"), content
        if text is not None:
            yield name, text


def _parts(name: str, value: object) -> tuple[Mapping[str, object], object]:
    """An element's attributes and its text, in the spellings of the common EVTX readers."""
    if not isinstance(value, dict):
        return {}, value
    if name.endswith("_attributes"):
        return value, None
    attributes = value.get("#attributes")
    if isinstance(attributes, dict):
        return attributes, value.get("#text")
    spelled = {key[1:]: content for key, content in value.items() if key.startswith("@")}
    return spelled, value.get("#text")


def _data_fields(section: str, content: object, depth: int) -> Iterator[tuple[str, object]]:
    """The leaves of `EventData`, `UserData` and the like, each under its own name."""
    if depth > MAX_DEPTH:
        raise EventError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(content, list):
        yield from _list_fields(section, content, depth)
    elif not isinstance(content, dict):
        yield section, content
    else:
        for name, value in content.items():
            if name == "#text":
                yield section, value
            elif name.startswith(("#", "@")) or name.endswith("_attributes"):
                continue
            elif isinstance(value, dict | list):
                yield from _data_fields(name, value, depth + 1)
            else:
                yield name, value


def _list_fields(section: str, content: list[object], depth: int) -> Iterator[tuple[str, object]]:
    plain: list[object] = []
    for element in content:
        if isinstance(element, dict):
            attributes, text = _parts("", element)
            name = attributes.get("Name")
            if isinstance(name, str):
                yield name, text
            else:
                yield from _data_fields(section, element, depth + 1)
        else:
            plain.append(element)
    if plain:
        yield section, plain


def _kind(value: object) -> str:
    kinds = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
    }
    return kinds.get(type(value), type(value).__name__)
