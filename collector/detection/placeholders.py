"""The values of `%name%` in rules that use the `expand` modifier, from a YAML file."""

from __future__ import annotations

from pathlib import Path

from collector.detection.documents import parse
from collector.detection.exceptions import RuleError, SourceError
from collector.detection.lower import Placeholders
from collector.detection.sources import MAX_FILE
from collector.detection.values import text_of


def read_placeholders(path: Path) -> Placeholders:
    """Read a map of placeholder names to a value or a list of values.

    Raises:
        SourceError: the file cannot be read or is no such map.
    """
    try:
        content = path.read_bytes()[: MAX_FILE + 1]
        if len(content) > MAX_FILE:
            raise SourceError(f"{path}: larger than {MAX_FILE // 1024 // 1024} MiB")
        named = parse(content.decode())
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: not UTF-8") from error
    except RuleError as error:
        raise SourceError(f"{path}:{error.line}: {error.reason}") from error
    if not isinstance(named, dict):
        raise SourceError(f"{path}: not a map of placeholder names to values")
    return {str(name): _values(path, str(name), value) for name, value in named.items()}


def _values(path: Path, name: str, value: object) -> list[str]:
    texts = [text_of(each) for each in (value if isinstance(value, list) else [value])]
    if None in texts:
        raise SourceError(f"{path}: {name}: values must be texts or numbers")
    return [text for text in texts if text is not None]
