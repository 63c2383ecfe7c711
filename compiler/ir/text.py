"""The smallest pieces of the IR's text: words, names and quoted strings.

Shared by the side that prints and the side that reads, so that the two cannot disagree. Knows
nothing of graphs.
"""

from __future__ import annotations

import re
from typing import Final

FORMAT_NAME: Final = "tracegraph.ir"
FORMAT_VERSION: Final = 1

WORD: Final = r"[A-Za-z_][A-Za-z0-9_.$-]*"
"""What may stand without quotes: names of ops, attributes, kinds and regions."""

STRING: Final = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*"'
"""A quoted string. It never spans lines, so a cut text cannot swallow what follows."""

EXTENDED_DTYPE: Final = rf"dtype<(?:[\w.$-]+(?:<[\w.$-]*>)?|{STRING})(?::[0-9]+)?>"
"""An element type that numpy does not have: ``dtype<key<fry>>``."""

_WORD: Final = re.compile(WORD)
_ESCAPED: Final = re.compile('[\x00-\x1f"\\\\\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]')
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))")
_SHORT_ESCAPES: Final = {"\n": "n", "\t": "t", "\r": "r", '"': '"', "\\": "\\"}
_FROM_SHORT: Final = {short: char for char, short in _SHORT_ESCAPES.items()}
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.$]+")


def quote(text: str) -> str:
    """The text in double quotes, on one line; ``unquote`` reads it back."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def unquote(quoted: str) -> str:
    """The text that ``quote`` was given.

    Raises:
        ValueError: a backslash is followed by something that ``quote`` does not write.
    """
    return _ESCAPE.sub(_unescape, quoted[1:-1])


def quote_bytes(data: bytes) -> str:
    """The bytes as ``b"..."``; ``unquote_bytes`` reads it back."""
    return "b" + quote(data.decode("latin-1"))


def unquote_bytes(quoted: str) -> bytes:
    """The bytes that ``quote_bytes`` was given.

    Raises:
        ValueError: an escape is wrong, or a character is no byte.
    """
    return unquote(quoted[1:]).encode("latin-1")


def word(text: str, reserved: frozenset[str] = frozenset()) -> str:
    """The text itself if it is a word and not reserved, else in quotes."""
    return text if _WORD.fullmatch(text) and text not in reserved else quote(text)


def is_word(text: str) -> bool:
    """Whether the text may stand without quotes."""
    return _WORD.fullmatch(text) is not None


def value_name(text: str) -> str:
    """The text without what may not stand in a value's name: ``params['w']`` is ``params_w``."""
    return "_".join(part for part in _NOT_IN_NAMES.split(text) if part)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT_ESCAPES:
        return "\\" + _SHORT_ESCAPES[char]
    return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"


def _unescape(match: re.Match[str]) -> str:
    digits = match[1] or match[2]
    if digits:
        return chr(int(digits, 16))
    if match[3] not in _FROM_SHORT:
        raise ValueError(f"unknown escape {match[0]}")
    return _FROM_SHORT[match[3]]
