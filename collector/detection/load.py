"""Rules from files, directories and archives, through pySigma, to trees of atoms; one broken rule harms no
other."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from collector.detection.collection import Collection
from collector.detection.documents import Document, documents_of, parse
from collector.detection.exceptions import RuleError, SourceError, UnsupportedRuleError
from collector.detection.limits import check_detection
from collector.detection.lower import AtomTable, Lowering, Placeholders
from collector.detection.pipelines import Pipelines, logsource_of
from collector.detection.rules import Branch, Inactive, Refused, Rule, RuleSet
from collector.detection.sources import MAX_FILE, RuleFile, rule_files

MAX_RULES = 100_000
"""Rules in one set."""
CORRELATION_REASON = "correlation rules are not evaluated; the rules it refers to run on their own"
# pySigma checks shapes by using them: a wrong type in a hostile rule surfaces as any of these.
_PARSE_ERRORS = (
    SigmaError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)
_SECTIONS = (
    "condition",
    "detection",
    "logsource",
    "identifier",
    "title",
    "level",
    "status",
    "tag",
    "date",
    "modified",
)


def load(paths: Iterable[Path], placeholders: Placeholders | None = None) -> RuleSet:
    """Read every rule under `paths`. `placeholders` gives the values of `%name%` under the `expand` modifier.

    Raises:
        SourceError: a path cannot be read at all, or holds more than the bounds allow.
    """
    loading = _Loading(placeholders or {})
    for file in rule_files(paths):
        loading.add_file(file)
    return loading.finish()


class _Candidate:
    """A rule between reading and compiling."""

    __slots__ = ("content", "document", "rule", "sigma")

    def __init__(self, rule: Rule, sigma: Any, document: dict[str, Any]) -> None:
        self.rule = rule
        self.sigma = sigma
        self.document = document


class _Loading:
    def __init__(self, placeholders: Placeholders) -> None:
        self._lowering = Lowering(AtomTable(), placeholders)
        self._pipelines = Pipelines()
        self._candidates: list[_Candidate] = []
        self._places: dict[str, str] = {}
        self._filters: list[tuple[Any, str]] = []
        self._inactive: list[Inactive] = []
        self._refused: list[Refused] = []

    def add_file(self, file: RuleFile) -> None:
        if file.too_large:
            self._refused.append(Refused("", file.name, 0, f"larger than {MAX_FILE // 1024 // 1024} MiB"))
            return
        collection = Collection()
        try:
            for document in documents_of(file.content):
                self._add_document(file.name, document, collection)
        except RuleError as error:
            self._refused.append(Refused("", file.name, error.line, error.reason))

    def _add_document(self, file: str, document: Document, collection: Collection) -> None:
        content: object = None
        try:
            content = parse(document.text)
            merged = collection.take(content)
            if merged is not None:
                self._add_rule(file, document, merged)
        except UnsupportedRuleError as error:
            self._inactive.append(Inactive(_id_in(content), _title_in(content), file, error.reason))
        except RuleError as error:
            line = error.line or _line_of(document.text, error.reason)
            self._refused.append(Refused(_id_in(content), file, document.line + line, error.reason))

    def _add_rule(self, file: str, document: Document, content: dict[str, Any]) -> None:
        if len(self._candidates) + len(self._refused) + len(self._inactive) >= MAX_RULES:
            raise SourceError(f"{file}: more than {MAX_RULES} rules; split the rule set")
        digest = _digest(content)
        if "filter" in content:
            self._filters.append((_parsed(SigmaFilter, content), digest))
            return
        if "correlation" in content:
            raise UnsupportedRuleError(CORRELATION_REASON)
        check_detection(content.get("detection"))
        sigma = _parsed(SigmaRule, content)
        rule_id = str(sigma.id or uuid5(NAMESPACE_URL, f"urn:sigma:{digest}"))
        place = f"{file}:{document.line + _first_line(document.text)}"
        if rule_id in self._places:
            raise RuleError(
                f"rule id {rule_id} is already used by {self._places[rule_id]}", _first_line(document.text)
            )
        self._places[rule_id] = place
        rule = Rule(
            id=rule_id,
            title=sigma.title,
            level=sigma.level.name.lower() if sigma.level else "",
            hash=digest,
            file=file,
            line=document.line + _first_line(document.text),
            logsource=logsource_of(sigma),
            document=content,
            source=document.text.lstrip("\n"),
        )
        self._candidates.append(_Candidate(rule, sigma, content))

    def finish(self) -> RuleSet:
        """Apply filters and pipelines, lower what is left."""
        rules: list[Rule] = []
        branches: list[Branch] = []
        for candidate in self._candidates:
            rule = candidate.rule
            try:
                rule = self._filtered(candidate)
                branches.extend(self._branches(candidate, rule))
                rules.append(rule)
            except UnsupportedRuleError as error:
                self._inactive.append(Inactive(rule.id, rule.title, rule.file, error.reason))
            except RuleError as error:
                line = rule.line + max(0, _line_of(rule.source, error.reason) - 1)
                self._refused.append(Refused(rule.id, rule.file, line, error.reason))
        return RuleSet(tuple(rules), tuple(branches), tuple(self._inactive), tuple(self._refused))

    def _filtered(self, candidate: _Candidate) -> Rule:
        rule = candidate.rule
        for sigma_filter, digest in self._filters:
            before = len(candidate.sigma.detection.detections)
            candidate.sigma = _guarded(sigma_filter.apply_on_rule, candidate.sigma)
            if len(candidate.sigma.detection.detections) != before:
                candidate.document = {**candidate.document, "filtered": True}
                joined = hashlib.sha256(f"{rule.hash}+{digest}".encode()).hexdigest()
                rule = dataclasses.replace(rule, hash=joined)
        return rule

    def _branches(self, candidate: _Candidate, rule: Rule) -> list[Branch]:
        branches: list[Branch] = []
        for variant in _guarded(lambda: list(self._pipelines.variants(candidate.sigma, candidate.document))):
            for condition in variant.rule.detection.parsed_condition:
                parsed = _guarded(condition.parse)
                tree = self._lowering.condition(parsed)
                branches.append(Branch(rule, tree, variant.windows, variant.logsource))
        return branches


def _guarded(step: Any, *arguments: Any) -> Any:
    """Run a step of pySigma's; whatever a hostile rule makes it trip over is that rule's refusal."""
    try:
        return step(*arguments)
    except RuleError:
        raise
    except _PARSE_ERRORS as error:
        raise RuleError(_reason(error)) from error


def _parsed(kind: Any, content: Mapping[str, Any]) -> Any:
    return _guarded(kind.from_dict, content)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:500]
    if isinstance(error, SigmaError):
        return text or type(error).__name__
    return f"not a well-formed rule ({type(error).__name__}: {text})"


def _digest(content: Mapping[str, Any]) -> str:
    try:
        return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RuleError(f"a value of a type that rules do not have: {error}") from error


def _id_in(content: object) -> str:
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, str) else ""


def _title_in(content: object) -> str:
    found = content.get("title") if isinstance(content, dict) else None
    return found[:256] if isinstance(found, str) else ""


def _first_line(text: str) -> int:
    """The 1-based line of the first thing that is neither blank nor a remark."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith(("#", "%")):
            return number
    return 1


def _line_of(text: str, reason: str) -> int:
    """The 1-based line of the section that a reason speaks of, or the first."""
    for section in _sections_in(reason.lower().replace("log source", "logsource")):
        key = "id" if section == "identifier" else "tags" if section == "tag" else section
        found = re.search(rf"^\s*{key}\s*:", text, re.MULTILINE)
        if found:
            return text.count("\n", 0, found.end()) + 1
    return _first_line(text)


def _sections_in(reason: str) -> Iterator[str]:
    yield from [section for section in _SECTIONS if section in reason]
    if any(word in reason for word in ("modifier", "value", "expression", "keyword", "placeholder")):
        yield "detection"
