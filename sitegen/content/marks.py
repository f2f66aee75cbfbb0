"""YAML that remembers where each key and value stands in the author's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from ..errors import ContentError, Where
from ..schema import KeyPath


@dataclass(frozen=True)
class Marked:
    """Data read from YAML, with the places of its keys and values."""

    data: Any
    path: Path
    first_line: int
    """Line of the file on which the YAML starts."""
    node: yaml.Node | None

    def where(self, keys: KeyPath, is_key: bool) -> Where:
        """The place of a key or of its value; of the nearest one above it that is there."""
        place, node = self.node, self.node
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            node = found[1]
            place = found[0] if is_key else node
        if place is None:
            return Where(self.path, self.first_line)
        mark = place.start_mark
        return Where(self.path, self.first_line + mark.line, mark.column + 1)

    def where_in_text(self, keys: KeyPath, line: int) -> Where:
        """The place of line `line` (from 1) of a text value that may span several lines."""
        node = self.node
        for key in keys:
            found = _child(node, key)
            node = found[1] if found else node
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            return Where(self.path, self.first_line + node.start_mark.line + line)
        return self.where(keys, False)


class _Exact(yaml.SafeLoader):
    """PyYAML's loader, less two surprises.

    Inside brackets PyYAML ends a plain value at "?", which neither YAML nor libyaml does: authors
    write `examples: [What is new?]`. And its error for a date that is none has no place.
    """

    def scan_plain(self) -> Any:
        peek = self.peek
        # Only what ends a value is asked by `peek`; its text is taken from the buffer.
        vars(self)["peek"] = lambda index=0: "x" if (found := peek(index)) == "?" else found
        try:
            return super().scan_plain()
        finally:
            del vars(self)["peek"]

    def construct_yaml_timestamp(self, node: Any) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            problem = f"{node.value} is no date: {error}"
            raise ConstructorError(None, None, problem, node.start_mark) from None


_Exact.add_constructor("tag:yaml.org,2002:timestamp", _Exact.construct_yaml_timestamp)


def read(text: str, path: Path, first_line: int) -> Marked:
    """The data of `text`, which starts on line `first_line` of `path`.

    Raises ContentError for YAML that cannot be read and for a key written twice.
    """
    try:
        node, data = _load(text)
    except yaml.MarkedYAMLError as error:
        raise _explain(error, path, first_line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ContentError(f"broken YAML: {error}", where=Where(path, first_line)) from None
    marked = Marked(data, path, first_line, node)
    _refuse_double_keys(node, marked, set())
    return marked


def _load(text: str) -> tuple[yaml.Node | None, Any]:
    # Not the faster CSafeLoader: it takes some text that this one refuses, it explains less, and
    # not every machine has it.
    loader = _Exact(text)
    try:
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _child(node: yaml.Node | None, key: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == str(key):
                return name, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key]
    return None


def _refuse_double_keys(node: yaml.Node | None, marked: Marked, seen: set[int]) -> None:
    if node is None or id(node) in seen:
        return  # an alias may lead back to a node above it
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_double_keys(item, marked, seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            mark = key.start_mark
            line = marked.first_line + mark.line
            if isinstance(key, yaml.ScalarNode) and key.value in lines:
                raise ContentError(
                    f'the key "{key.value}" is written twice',
                    where=Where(marked.path, line, mark.column + 1),
                    hint=f"It stands on line {lines[key.value]} already; keep one of the two.",
                )
            if isinstance(key, yaml.ScalarNode):
                lines[key.value] = line
            _refuse_double_keys(value, marked, seen)


def _explain(error: yaml.MarkedYAMLError, path: Path, first_line: int) -> ContentError:
    problem = error.problem or "it cannot be read"
    mark = error.problem_mark or error.context_mark
    hint = None
    if "mapping values are not allowed" in problem:
        problem, hint = 'a second ":" in one value', 'Put the value in quotes: title: "One: two".'
    elif "'\\t'" in problem:
        problem, hint = "a tab", "Indent with spaces: YAML allows no tabs."
    elif "cannot start any token" in problem:
        problem = problem.replace("found character", "the character").replace(
            "that cannot start any token", "cannot start a value"
        )
        hint = "Put the value in quotes."
    elif "quoted scalar" in (error.context or ""):
        problem, mark = "a quote that is opened here and never closed", error.context_mark
    elif "flow" in (error.context or "") and "<stream end>" in problem:
        problem, mark = "a bracket that is opened here and never closed", error.context_mark
    elif "undefined alias" in problem:
        problem, hint = 'a value that starts with "*" must stand in quotes', None
    elif "could not find expected ':'" in problem:
        problem, hint = 'a line without ":"', "Each line is a key and its value: title: My page."
    elif "unhashable key" in problem:
        problem, hint = "a list or mapping used as a key", "Put text that starts with { in quotes."
    elif problem.startswith("expected <block end>"):
        problem, hint = (
            "this line does not continue what stands above it",
            "Keys that belong together start in the same column.",
        )
    where = (
        Where(path, first_line + mark.line, mark.column + 1) if mark else Where(path, first_line)
    )
    return ContentError(f"broken YAML: {problem}", where=where, hint=hint)
