"""The collector's one settings file: its keys, their defaults and limits, and errors that name line and fix."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta, Struct

from collector.exceptions import SettingsError
from wire.identity import Label, NodePath

FILE = "collector.yaml"
MAX_BYTES = 64 << 10

Port = Annotated[int, Meta(ge=1, le=65_535)]
Hostname = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?\Z")]


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What the inbox may take, in bytes: over either, agents are told to keep their spool for now."""

    inbox_bytes: Annotated[int, Meta(ge=16 << 20)] = 8 << 30
    min_free_bytes: Annotated[int, Meta(ge=1 << 20)] = 1 << 30


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything `serve` needs to know. `hostnames` are the names that the certificates and the console answer
    to; `node` and `label` the place in the tree where this collector's own agents are enrolled."""

    hostnames: Annotated[list[Hostname], Meta(min_length=1, max_length=16)]
    bind: Hostname = "0.0.0.0"  # noqa: S104 - agents come from other machines; each door checks who speaks
    agents_port: Port = 7443
    enrol_port: Port = 7444
    web_port: Port = 8443
    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    node: NodePath = "tinh"
    label: Label = "noi-bo"
    rules: list[str] = []
    playbooks: list[str] = []
    state_url: str = ""
    service_uid: Annotated[int, Meta(ge=1, le=2**31)] | None = None
    signer_uid: Annotated[int, Meta(ge=1, le=2**31)] | None = None
    limits: Limits = Limits()


def load(data: Path) -> Settings:
    """Read `DATA/collector.yaml`.

    Raises:
        SettingsError: the file is absent, not YAML, or a key or value is wrong; the text names file, line and fix.
    """
    path = data / FILE
    try:
        text = path.read_bytes()[: MAX_BYTES + 1]
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; {_advice(data)}") from error
    if len(text) > MAX_BYTES:
        raise SettingsError(f"{path}: over {MAX_BYTES} bytes; this is not a settings file")
    return parse(text.decode("utf-8", "replace"), str(path))


def _advice(data: Path) -> str:
    """A new collector only where there is nothing: what lost its settings is to be mended, not made anew."""
    if not data.is_dir() or not any(data.iterdir()):
        return f"make a collector with: lienphong-collector init --data {data}"
    return "if this is a collector, put the file back from a copy of the directory"


def parse(text: str, name: str) -> Settings:
    """Settings from YAML text; `name` stands for the file in errors.

    Raises:
        SettingsError: as for `load`.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        plain = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"{name}: not YAML that this file may hold: {error}") from error
    _check_keys(node, Settings, name, "")
    try:
        return msgspec.convert(plain, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name}: {error}") from error


def dump(settings: Settings) -> str:
    """The settings as YAML that `parse` reads back."""
    return yaml.safe_dump(msgspec.to_builtins(settings), sort_keys=False, allow_unicode=True)


def _check_keys(node: yaml.Node | None, kind: type[Struct], name: str, prefix: str) -> None:
    """An unknown key is an error that names its line and the nearest valid one: a typo must not be a default."""
    if not isinstance(node, yaml.MappingNode):
        return
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    given: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in given:
            raise SettingsError(f"{name}, line {line}: {prefix}{key.value} is given twice; keep one of them")
        given.add(key.value)
        if key.value not in fields:
            near = get_close_matches(str(key.value), fields, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"valid keys: {', '.join(fields)}"
            raise SettingsError(f"{name}, line {line}: unknown key {prefix}{key.value}; {hint}")
        inner = fields[key.value]
        if isinstance(inner, type) and issubclass(inner, Struct):
            _check_keys(value, inner, name, f"{prefix}{key.value}.")
