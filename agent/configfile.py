"""Reads the configuration file; what is wrong in it is told with file, line and what would be right."""

from __future__ import annotations

import difflib
import os
import re
import stat
from pathlib import Path
from typing import Any

import msgspec

from agent import identity
from agent.config import Config
from agent.exceptions import ConfigError

MAX_BYTES = 256 << 10

Lines = dict[str, int]
"""Line numbers by msgspec's path of a value: `$.sensors.health`."""

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*?)`(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_INVALID = re.compile(r"(?P<problem>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)


def load(path: Path, required: bool = False) -> Config:
    """The configuration in this file; the defaults when there is none and none is `required`.

    Raises:
        ConfigError: not readable, not YAML, an unknown setting or a value that is not allowed; or, as root, a file
            that somebody else could have written.
    """
    try:
        with path.open("rb") as file:
            _owned(path, os.fstat(file.fileno()))
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        if required:
            raise ConfigError(f"{path}: no such file") from error
        return Config()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: over {MAX_BYTES} bytes")
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Config:
    """The configuration in this YAML; `name` stands in errors.

    Raises:
        ConfigError: as `load`.
    """
    # A machine without a configuration file never pays for the YAML reader.
    from agent import yamlfile

    lines: Lines = {}
    value = yamlfile.read(data, name, lines)
    try:
        config = msgspec.convert({} if value is None else value, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), value, name, lines)) from error
    _refuse_bad_address(config, name, lines)
    _refuse_twice(config, name, lines)
    return config


def _refuse_bad_address(config: Config, name: str, lines: Lines) -> None:
    if not config.collector.url:
        return
    try:
        identity.parse_url(config.collector.url, 443)
    except ConfigError as error:
        raise ConfigError(f"{_where('$.collector.url', name, lines)}: {error}") from error


def _refuse_twice(config: Config, name: str, lines: Lines) -> None:
    """A log file followed twice would tell everything twice."""
    seen: dict[str, int] = {}
    for number, file in enumerate(config.sensors.logs.files):
        path = os.path.normpath(f"/{file.path.lstrip('/')}")
        if path in seen:
            where = _where(f"$.sensors.logs.files[{number}].path", name, lines)
            raise ConfigError(f"{where}: {file.path} is followed already, by files[{seen[path]}]; take one away")
        seen[path] = number


def _owned(path: Path, state: os.stat_result) -> None:
    """The file says which logs root opens: as root, only root may have written it."""
    if os.geteuid() == 0 and (state.st_uid != 0 or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise ConfigError(f"{path}: must belong to root and be writable by nobody else (chown root, chmod go-w)")


def _explain(message: str, value: Any, name: str, lines: Lines) -> str:
    if unknown := _UNKNOWN.match(message):
        path, key = unknown["path"] or "$", unknown["key"]
        where = _where(f"{path}.{key}", name, lines)
        valid = _settings(path)
        near = difflib.get_close_matches(key, valid, n=1, cutoff=0)
        return f"{where}: unknown setting; did you mean {near[0]}? Valid here: {', '.join(valid)}"
    invalid = _INVALID.match(message)
    path = (invalid and invalid["path"]) or "$"
    kind = _kind(path)
    if isinstance(kind, msgspec.inspect.LiteralType):
        problem = f"expected one of {', '.join(map(str, kind.values))}"
    else:
        problem = (invalid["problem"] if invalid else message).replace("Expected `object`", "Expected a section")
    return f"{_where(path, name, lines)}: {problem[:1].lower()}{problem[1:]}; it is {_shown(value, path)}"


def _where(path: str, name: str, lines: Lines) -> str:
    return f"{name}, line {lines.get(path, 1)}: {path.removeprefix('$').removeprefix('.') or 'the file'}"


def _shown(value: Any, path: str) -> str:
    for step in re.findall(r"[^.\[\]$]+", path):
        value = value[int(step)] if isinstance(value, list) else value[step]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _settings(path: str) -> list[str]:
    """The settings of the section at this path."""
    return [field.encode_name for field in _kind(path).fields]


def _kind(path: str) -> Any:
    """What may stand at this path."""
    kind: Any = msgspec.inspect.type_info(Config)
    for step in re.findall(r"[^.\[\]$]+", path):
        if isinstance(kind, msgspec.inspect.StructType):
            kind = next(field.type for field in kind.fields if field.encode_name == step)
        else:
            kind = kind.item_type
    return kind
