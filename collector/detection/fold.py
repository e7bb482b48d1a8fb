"""Case folding for rules and events: Unicode simple folding, one character for one character.

`str.lower` depends on context (the Greek final sigma) and `str.casefold` may lengthen a text (ß becomes ss);
either would let a value slip past a literal scan or a `?`. Simple folding (Unicode, CaseFolding.txt, C + S)
does neither.
"""

from __future__ import annotations

from functools import lru_cache


def fold(text: str) -> str:
    """The text with case differences removed; as long as the text itself."""
    if text.isascii():
        return text.lower()
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join([_fold_character(character) for character in text])


@lru_cache(maxsize=4_096)
def _fold_character(character: str) -> str:
    folded = character.casefold()
    if len(folded) == 1:
        return folded
    lowered = character.lower()
    return lowered if len(lowered) == 1 else character
