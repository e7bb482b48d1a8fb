"""Which routes an event takes: by Windows channel and event number, or by the log source that it states."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product as combinations

from collector.detection.atoms import Atom, TextAtom
from collector.detection.fold import fold
from collector.detection.memo import Memory
from collector.detection.pipelines import channels_of, windows_events_of
from collector.detection.route import Route
from collector.detection.rules import Branch, Rule
from collector.detection.tree import Node, atoms_of, substitute, values_needed
from collector.detection.values import text_of
from wire.event import Logsource

MAX_RESOLVED = 16_384
"""Kinds of event whose routes are remembered."""
_PARENT_SERVICES = {"sshd": "auth", "sudo": "auth", "su": "auth"}
"""Linux services whose events also are events of a wider one: they share a log file."""

Routes = tuple[Route, ...]


class Router:
    """Builds every route at once and finds an event's routes afterwards."""

    def __init__(self, branches: Iterable[Branch], memory: Memory) -> None:
        windows: list[Branch] = []
        stated: defaultdict[Logsource, list[tuple[Rule, Node]]] = defaultdict(list)
        for branch in branches:
            if branch.windows:
                windows.append(branch)
            else:
                stated[branch.logsource].append((branch.rule, branch.tree))
        self._stated = {source: Route(describe(source), trees, memory) for source, trees in stated.items()}
        self._windows = _WindowsRoutes(windows, memory)
        self._resolved: dict[tuple[object, ...], Routes] = {}

    def routes(self) -> Iterator[Route]:
        """Every route."""
        yield from self._stated.values()
        yield from self._windows.routes()

    def find(self, event: Mapping[str, object], logsource: Logsource | None) -> Routes:
        """The routes of an event; none where it has neither a channel nor a log source that any rule is for."""
        channel, number = event.get("Channel"), event.get("EventID")
        try:
            key = (channel, number, type(number), logsource)
            known = self._resolved.get(key)
        except TypeError:  # a list where a name should be
            return ()
        if known is None:
            if len(self._resolved) >= MAX_RESOLVED:
                self._resolved.clear()
            known = self._resolved[key] = self._resolve(text_of(channel), text_of(number), logsource)
        return known

    def _resolve(self, channel: str | None, number: str | None, logsource: Logsource | None) -> Routes:
        found: dict[Route, None] = {}
        if channel is not None:
            found.update(dict.fromkeys(self._windows.find(channel, number)))
        elif logsource is not None and logsource.product.lower() == "windows":
            found.update(dict.fromkeys(self._by_category(logsource, number)))
        if logsource is not None:
            wider = [self._stated[source] for source in containing(logsource) if source in self._stated]
            found.update(dict.fromkeys(wider))
        return tuple(found)

    def _by_category(self, logsource: Logsource, number: str | None) -> Iterator[Route]:
        """Routes of a Windows event that names its category or service instead of its channel."""
        events = windows_events_of(logsource.category.lower())
        if events is not None:
            channel, numbers = events
            texts = [str(each) for each in numbers]
            for text in [number] if number in texts else texts:
                yield from self._windows.find(channel, text)
            return
        for channel in channels_of(logsource.service.lower()) or ("",):
            yield from self._windows.find(channel, number)


class _WindowsRoutes:
    """Routes by channel and event number. Under a number, questions about channel and number are already
    answered."""

    def __init__(self, branches: Iterable[Branch], memory: Memory) -> None:
        everywhere: list[Branch] = []
        by_channel: defaultdict[str, list[Branch]] = defaultdict(list)
        for branch in branches:
            channels = values_needed(branch.tree, "Channel")
            if channels is None:
                everywhere.append(branch)
                for channel in _literals(branch.tree, "Channel"):
                    by_channel.setdefault(channel, [])
            for channel in channels or ():
                by_channel[channel].append(branch)
        self._memory = memory
        self._elsewhere = self._channel("", everywhere)
        self._channels = {
            channel: self._channel(channel, [*own, *everywhere]) for channel, own in by_channel.items()
        }

    def _channel(self, channel: str, branches: list[Branch]) -> dict[str | None, Route | None]:
        """The channel's routes by event number; the number `None` stands for any other."""
        numbers: set[str] = set()
        needs = [values_needed(branch.tree, "EventID") for branch in branches]
        for branch in branches:
            numbers.update(_literals(branch.tree, "EventID"))
        routes: dict[str | None, Route | None] = {}
        for number in [*sorted(numbers), None]:
            members: list[tuple[Rule, Node]] = []
            for branch, need in zip(branches, needs, strict=True):
                if need is None or number in need:
                    tree = substitute(branch.tree, _decider(channel, number))
                    if tree is not False:
                        members.append((branch.rule, tree))
            name = f"{channel or 'windows'}/{number or '*'}"
            routes[number] = Route(name, members, self._memory) if members else None
        return routes

    def routes(self) -> Iterator[Route]:
        for channel in [self._elsewhere, *self._channels.values()]:
            yield from [route for route in channel.values() if route is not None]

    def find(self, channel: str, number: str | None) -> Iterator[Route]:
        routes = self._channels.get(fold(channel.strip()), self._elsewhere)
        stripped = number.strip() if number is not None else None
        route = routes[stripped] if stripped in routes else routes[None]
        if route is not None:
            yield route


def _literals(tree: Node, field: str) -> Iterator[str]:
    for atom in atoms_of(tree):
        if isinstance(atom, TextAtom) and atom.field == field and atom.literal is not None:
            yield atom.literal


def _decider(channel: str, number: str | None) -> Callable[[Atom], bool | None]:
    known = {"Channel": channel or None, "EventID": number}

    def decide(atom: Atom) -> bool | None:
        if atom.field not in known or not isinstance(atom, TextAtom) or atom.cased:
            return None
        text = known[atom.field]
        if text is not None:
            return atom.holds(text, text)
        # Any other number or channel: none of those that rules name.
        return False if atom.literal is not None else None

    return decide


def containing(logsource: Logsource) -> Iterator[Logsource]:
    """Every log source of a rule that an event with this log source belongs to."""
    product, category, service = logsource.product.lower(), logsource.category.lower(), logsource.service.lower()
    services = {service, "", _PARENT_SERVICES.get(service, "")}
    for names in combinations({product, ""}, {category, ""}, services):
        if any(names):
            yield Logsource(product=names[0], category=names[1], service=names[2])


def describe(logsource: Logsource) -> str:
    """The log source in words."""
    named = {"product": logsource.product, "category": logsource.category, "service": logsource.service}
    return " ".join([f"{name}={value}" for name, value in named.items() if value])
