"""Which characters a writing system uses, and which bytes can occur in a text written with it.

Scripts are those of Unicode: https://www.unicode.org/reports/tr24/. What several of them share
(digits, punctuation, emoji; the scripts Common and Inherited) belongs to each, except where
Unicode's Script_Extensions name the few that use a character: 「 belongs to Japanese alone.
"""

from __future__ import annotations

import difflib
import functools
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from fontTools import unicodedata
from fontTools.unicodedata import ScriptExtensions, Scripts

from sitegen.errors import ModelError

SHARED = frozenset({"Zyyy", "Zinh"})  # Common and Inherited
UNKNOWN = "Zzzz"  # of characters that Unicode does not know yet
CODE_POINTS = 0x110000
SURROGATES = range(0xD800, 0xE000)  # no characters, and nothing that UTF-8 can hold

LANGUAGES = {
    "Chinese": ("Hani", "Bopo"),
    "Japanese": ("Hani", "Hira", "Kana"),
    "Korean": ("Hang", "Hani"),
}
"""Languages written in several scripts, as ISO 15924 joins them (Hanb, Jpan, Kore)."""


def codes(names: Iterable[str]) -> frozenset[str]:
    """The ISO 15924 codes of scripts called by Unicode's names: Latin, Cyrillic, Old_Persian.

    Case and the difference of "_" and a blank do not count. Raises ModelError for a name that
    Unicode does not know.
    """
    known: dict[str, tuple[str, ...]] = {_folded(name): parts for name, parts in LANGUAGES.items()}
    known |= {_folded(name): (code,) for code, name in Scripts.NAMES.items() if code != UNKNOWN}
    found: set[str] = set()
    for name in names:
        if _folded(name) not in known:
            near = difflib.get_close_matches(_folded(name), known, 1, cutoff=0.75)
            suggestion = f"Did you mean {near[0].title()}? " if near else ""
            raise ModelError(
                f'`vocabulary` keeps "{name}", which is no script of Unicode',
                hint=f"{suggestion}Write names such as Latin, Cyrillic, Greek, Arabic, Devanagari, "
                "Han, Japanese or Korean.",
            )
        found.update(known[_folded(name)])
    return frozenset(found - SHARED)


def name(code: str) -> str:
    """What Unicode calls the script: `Old Persian`."""
    return str(unicodedata.script_name(code)).replace("_", " ")


def count(texts: Iterable[str]) -> Counter[str]:
    """How many characters of the texts belong to each script; shared ones are not counted."""
    characters: Counter[str] = Counter()
    for text in texts:
        characters.update(text)
    found: Counter[str] = Counter()
    for character, times in characters.items():
        script = unicodedata.script(character)
        if script not in SHARED and script != UNKNOWN:
            found[script] += times
    return found


class Writing:
    """Everything that can be written in the given scripts and in what all scripts share."""

    def __init__(self, scripts: frozenset[str]):
        """scripts: ISO 15924 codes."""
        self._allowed = bytearray(CODE_POINTS)  # 1 for each character that can be written
        # Within these bounds neither property changes.
        bounds = sorted({*Scripts.RANGES, *ScriptExtensions.RANGES, CODE_POINTS})
        for start, stop in pairwise(bounds):
            if unicodedata.script_extension(chr(start)) & (scripts | SHARED):
                self._allowed[start:stop] = b"\1" * (stop - start)
        self._allowed[SURROGATES.start : SURROGATES.stop] = bytes(len(SURROGATES))

    def holds(self, text: str) -> bool:
        """Whether all characters of a text can be written."""
        return all(self._allowed[ord(character)] for character in set(text))

    def may_hold(self, data: bytes) -> bool:
        """Whether some text that can be written holds these bytes in its UTF-8 form.

        They may begin and end within a character, as the tokens of byte-level tokenizers do.
        """
        starts, middles, ends = self._fragments
        start = 0
        while start < len(data) and _continues(data[start]):
            start += 1
        if start == len(data):  # nothing but the inside of one character
            return not data or data in middles or data in ends
        if start and data[:start] not in ends:
            return False
        last = len(data) - 1
        while _continues(data[last]):
            last -= 1
        stop = len(data)
        if stop - last < _length(data[last]):  # the last character is not whole
            if data[last:] not in starts:
                return False
            stop = last
        try:
            return self.holds(data[start:stop].decode())
        except UnicodeDecodeError:
            return False

    @functools.cached_property
    def _fragments(self) -> tuple[set[bytes], set[bytes], set[bytes]]:
        """What the UTF-8 of a character can begin with, hold inside, and end with, not whole."""
        starts: set[bytes] = set()
        middles: set[bytes] = set()
        ends: set[bytes] = set()
        for code in range(0x80, CODE_POINTS):
            if self._allowed[code]:
                data = chr(code).encode()
                for n in range(1, len(data)):
                    starts.add(data[:n])
                    ends.add(data[n:])
                    middles.update(data[m:n] for m in range(1, n))
        return starts, middles, ends


def _folded(name: str) -> str:
    return name.replace("_", " ").strip().casefold()


def _continues(byte: int) -> bool:
    """Whether a byte of UTF-8 is not the first of its character."""
    return byte & 0xC0 == 0x80


def _length(first: int) -> int:
    """How many bytes a character of UTF-8 has that begins with this one."""
    return 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
