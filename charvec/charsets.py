"""Plumbing: which legacy encodings a file that is not UTF-8 could be in.

Only ever a list of candidates for a person to choose from. Big5, Shift_JIS and EUC-KR text decodes as GB18030 without a single
error, so that a text decodes proves little; what tells them apart is whether the characters that come out are common ones.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["candidates"]

#: Bytes judged.
SAMPLE = 1 << 16


def _lead(codec: str, low: int, high: int) -> Callable[[str], bool]:
    """Whether a character's first byte in a codec lies in the rows that hold its common characters."""

    def common(char: str) -> bool:
        try:
            code = char.encode(codec)
        except UnicodeEncodeError:
            return False
        return len(code) == 2 and low <= code[0] <= high

    return common


#: Codec, and what its common characters are: the first level of each standard, ordered by use or by everyday readings.
_LADDER: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("gb18030", _lead("gb2312", 0xB0, 0xD7)),
    ("big5", _lead("big5", 0xA4, 0xC6)),
    ("shift_jis", lambda char: "ぁ" <= char <= "ヶ" or _lead("shift_jis", 0x88, 0x97)(char)),
    ("euc_jp", lambda char: "ぁ" <= char <= "ヶ" or _lead("euc_jp", 0xB0, 0xCF)(char)),
    ("cp949", _lead("euc_kr", 0xB0, 0xC8)),
)
_PUNCTUATION = frozenset("　、。，．・：；？！「」『』（）《》〈〉【】“”‘’…—～￥ー")


def candidates(data: bytes) -> list[str]:
    """Names of codecs that could be meant, most plausible first; may be empty.

    Args:
        data: the beginning of the file, at most :data:`SAMPLE` bytes of which are judged.
    """
    import codecs

    sample = data[:SAMPLE]
    scored = []
    for codec, common in _LADDER:
        try:
            text = codecs.getincrementaldecoder(codec)("strict").decode(sample)
        except UnicodeDecodeError:
            continue
        beyond_ascii = [char for char in text if char > "\x7f" and char not in _PUNCTUATION]
        if beyond_ascii:
            share = sum(map(common, beyond_ascii)) / len(beyond_ascii)
        else:
            share = 0.5
        kana = sum("ぁ" <= char <= "ヶ" for char in text)
        if codec in ("shift_jis", "euc_jp") and not kana:
            share /= 2  # Japanese without kana is rare, Chinese read as Japanese is not
        scored.append((share, codec))
    if not scored:
        try:
            sample.decode("utf-16")
        except UnicodeDecodeError:
            pass
        else:
            if sample.count(0) > len(sample) // 8:
                return ["utf-16"]
        return ["latin-1"] if sample.count(0) == 0 else []
    scored.sort(key=lambda item: -item[0])
    best = [codec for share, codec in scored if share >= 0.3]
    return best or [codec for _, codec in scored]
