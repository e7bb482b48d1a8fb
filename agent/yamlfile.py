"""YAML with line numbers, and without what a configuration never needs: aliases, tags, several documents."""

from __future__ import annotations

from typing import Any

import yaml

from agent.exceptions import ConfigError

PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class _Loader(yaml.SafeLoader):
    """No aliases: a file of a few lines can expand to gigabytes through them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed", event.start_mark)
        return super().compose_node(parent, index)


def read(data: bytes, name: str, lines: dict[str, int]) -> Any:
    """The value of a YAML document; `lines` is filled with the line of each value, by path (`$.a.b[0]`).

    Raises:
        ConfigError: not YAML, a key given twice, or nested beyond reason; names file and line.
    """
    try:
        loader = _Loader(data)
        try:
            node = _root(loader, name)
            return None if node is None else _value(loader, node, "$", name, lines)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{name}, line {line}: {error.problem or error.context or 'not YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: not YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply") from error


def _root(loader: _Loader, name: str) -> yaml.Node | None:
    try:
        return loader.get_single_node()
    except (ValueError, OverflowError) as error:  # such as an escape beyond Unicode: "\\UFFFFFFFF"
        raise ConfigError(f"{name}, line {loader.get_mark().line + 1}: not YAML: {error}") from error


def _value(loader: _Loader, node: yaml.Node, path: str, name: str, lines: dict[str, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if not isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN:
        raise ConfigError(f"{name}, line {node.start_mark.line + 1}: tags ({node.tag}) are not allowed")
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, f"{path}[{i}]", name, lines) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, name, lines)
    try:
        return loader.construct_object(node)
    except (ValueError, AttributeError, LookupError) as error:  # PyYAML trusts a tag, and the shape of a date
        line, kind = node.start_mark.line + 1, node.tag.rpartition(":")[2]
        raise ConfigError(
            f"{name}, line {line}: {node.value[:60]!r} is no {kind}; quote it if it is text"
        ) from error


def _mapping(
    loader: _Loader, node: yaml.MappingNode, path: str, name: str, lines: dict[str, int]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in found:
            raise ConfigError(f"{name}, line {line}: {key} is given twice")
        lines[f"{path}.{key}"] = line
        found[key] = _value(loader, value_node, f"{path}.{key}", name, lines)
    return found
