"""YAML documents of a rule file, each on its own, so that a broken or hostile one harms no other."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

import yaml

from collector.detection.exceptions import RuleError

MAX_DEPTH = 32
"""Levels of nesting in a rule."""
MAX_NODES = 200_000
"""Scalars, lists and maps of a rule after every alias is written out."""
_SEPARATOR = re.compile(r"^---(?=[ \t\r]|$)", re.MULTILINE)
_ONLY_REMARKS = re.compile(r"(?:[ \t]*(?:[#%][^\n]*)?(?:\r?\n|$))*")
_DEEP_BLOCK = re.compile(rf"^[ \-?]{{{MAX_DEPTH},}}", re.MULTILINE)


class Document(NamedTuple):
    """One document: the 0-based line of the file that it starts on, and its text."""

    line: int
    text: str


def documents_of(content: bytes) -> Iterator[Document]:
    """The documents of a file that say something.

    Raises:
        RuleError: the file is not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RuleError(f"not UTF-8: byte {error.start} is {content[error.start]:#04x}", line) from error
    start = line = 0
    for separator in [*_SEPARATOR.finditer(text), None]:
        end = separator.start() if separator else len(text)
        piece = text[start:end]
        if not _ONLY_REMARKS.fullmatch(piece):
            yield Document(line, piece)
        line += piece.count("\n")
        start = separator.end() if separator else end


class _Loader(yaml.CSafeLoader):
    """The safe loader, refusing maps with a key twice: one of the two conditions would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        merged = any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value)
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value) and not merged:
            seen: set[object] = set()
            for key, _ in node.value:
                name = self.construct_object(key)
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {name!r} stands twice", key.start_mark
                    )
                seen.add(name)
        return mapping


def parse(text: str) -> object:
    """The document's content.

    Raises:
        RuleError: it is not sound YAML, or nests or expands beyond the bounds; with the line, 1-based.
    """
    try:
        if "&" in text or text.count("[") + text.count("{") > MAX_DEPTH or _DEEP_BLOCK.search(text):
            _check_size(text)
        return yaml.load(text, _Loader)  # noqa: S506, a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "unreadable"
        raise RuleError(f"broken YAML: {reason}", mark.line + 1 if mark else 0) from error
    except yaml.YAMLError as error:
        raise RuleError(f"broken YAML: {' '.join(str(error).split())}") from error
    except (ValueError, TypeError, OverflowError) as error:  # dates and numbers out of range
        raise RuleError(f"broken YAML: {error}") from error


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


class _Frame:
    """A list or map being counted."""

    __slots__ = ("anchor", "size")

    def __init__(self, anchor: str | None) -> None:
        self.anchor = anchor
        self.size = 1


def _check_size(text: str) -> None:
    """Count nodes and levels from the event stream, where nothing is built and nothing recurses."""
    sizes: dict[str, int] = {}
    stack = [_Frame(None)]
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append(_Frame(event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            stack[-1].size += done.size
            if done.anchor is not None:
                sizes[done.anchor] = done.size
        elif isinstance(event, yaml.ScalarEvent):
            stack[-1].size += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise RuleError(f"broken YAML: alias *{event.anchor} names nothing", _line(event))
            stack[-1].size += sizes[event.anchor]
        if len(stack) > MAX_DEPTH + 1:
            raise RuleError(f"nested deeper than {MAX_DEPTH} levels", _line(event))
        if stack[-1].size > MAX_NODES:
            raise RuleError(f"expands to more than {MAX_NODES} values", _line(event))
