"""Plumbing: what a text's encoding may be when it is not plain UTF-8.

Only ever hints for a person to choose from. Big5, Shift_JIS and EUC-KR text decodes as GB18030 without a single error,
so that a text decodes proves little. What tells the encodings apart is whether the characters that come out are
frequent ones: the right encoding gives a third and more of them, a wrong one next to none.
"""

from __future__ import annotations

import codecs
import re

import numpy as np

from charvec.plumbing.text.counting import Tolerant
from charvec.reading import magic

__all__ = [
    "better",
    "candidates",
    "candidates_together",
    "escaped_encoding",
    "is_mojibake",
    "is_unicode",
    "mostly_utf8",
    "utf16_without_mark",
]

#: Bytes judged.
SAMPLE = 1 << 16

_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事"
    "成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事"
    "成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心"
)
_KANA = "".join(map(chr, range(0x3041, 0x3097))) + "".join(map(chr, range(0x30A1, 0x30FB))) + "ー"
_HANGUL = (
    "이다는의에을가고은를로하지기한사도들어나자서리대인있그시아해수정라일부게만스보면었으여과상제전할니요것던오주원장"
)

#: Codec tried, the name given for it, and the characters that are frequent in texts of that encoding. Vendors' codecs
#: are tried, since they hold the standard's; the standard's name is given when its characters suffice.
_LADDER: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("gb18030", "gb18030", frozenset(_SIMPLIFIED + _TRADITIONAL)),
    ("cp950", "big5", frozenset(_TRADITIONAL)),
    ("big5hkscs", "big5hkscs", frozenset(_TRADITIONAL + "嘅係唔咗喺佢哋啲")),
    ("cp932", "shift_jis", frozenset(_KANA)),
    ("euc_jis_2004", "euc_jp", frozenset(_KANA)),  # has the ① and ㈱ of Windows and Unix vendors, and more
    ("cp949", "cp949", frozenset(_HANGUL)),
)
_FREQUENT = frozenset(_SIMPLIFIED + _TRADITIONAL + _KANA + _HANGUL)
_PUNCTUATION = frozenset("　、。，．・：；？！「」『』（）《》〈〉【】“”‘’…—～￥")
#: Share of frequent characters from which on an encoding is believed. Wrong ones stay below 0.05 on all texts tried.
_BELIEVED = 0.1
#: Share of bytes an encoding may fail to decode; a file of another encoding can be damaged as well.
_DAMAGE = 0.01


def candidates(data: bytes) -> list[str]:
    """Names of codecs that could be meant, most plausible first; may be empty.

    Args:
        data: from the first byte that is not ASCII on; at most :data:`SAMPLE` bytes are judged.
    """
    sample = data[:SAMPLE]
    if not sample:
        return []
    scored: list[tuple[float, str]] = []
    for codec, name, frequent in _LADDER:
        text, damage = _decoded(codec, sample)
        if damage > _DAMAGE * len(sample):
            continue
        judged = [char for char in text if char > "\x7f" and char not in _PUNCTUATION]
        share = sum(char in frequent for char in judged) / max(1, len(judged))
        # damage weighs as much as a character that is not frequent
        scored.append((share - damage / len(sample), _standard(name, codec, sample, damage)))
    scored.sort(key=lambda item: -item[0])
    believed = [name for share, name in scored if share >= _BELIEVED]
    if "big5" in believed:
        believed = [name for name in believed if name != "big5hkscs"]  # of no use where its smaller brother suffices
    if believed:
        return believed
    if _is_western(sample):
        return ["cp1252"]
    return _by_library(sample) or [name for _, name in scored]


def _by_library(sample: bytes) -> list[str]:
    """What charset-normalizer takes the text for, where it is installed.

    It is asked last, for what is neither Chinese, Japanese nor Korean. Of 40 passages each of 8, 30 and 200 characters
    in five encodings of these languages the ladder above named 599 of 600 rightly, charset-normalizer 3.5 477.
    """
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return []
    # without coherence it found characters, but no language
    names = [codecs.lookup(match.encoding).name for match in from_bytes(sample) if match.coherence]
    return [name for name in dict.fromkeys(names) if name not in ("ascii", "utf-8")][:_NAMED]


#: Candidates taken from charset-normalizer, which often gives a dozen.
_NAMED = 3


def candidates_together(samples: list[bytes]) -> list[list[str]]:
    """Candidates for each of several files, taken to be of one encoding when one explains them all.

    A short text can be many things; all the texts of a folder together can hardly be.

    Args:
        samples: of each file, as for :func:`candidates`.
    """
    judged = samples[:_TOGETHER]
    share = SAMPLE // max(1, len(judged))
    # a character may be cut in two at the end of each: that much damage is allowed for
    together = candidates(b"\n".join(sample[:share] for sample in judged))
    return [_with_neighbours(sample, candidates(sample), together) for sample in samples]


def _with_neighbours(sample: bytes, alone: list[str], together: list[str]) -> list[str]:
    """Candidates for one file, those that fit its neighbours as well first; a short one may not know them by itself."""
    if len(sample) < _SHORT:
        fitting = [name for name in together if not _decoded(name, sample)[1]]
    else:
        fitting = [name for name in together if name in alone]
    return fitting + [name for name in alone if name not in fitting]


#: Files judged together.
_TOGETHER = 64
#: Bytes below which a file by itself proves little.
_SHORT = 32


def _decoded(codec: str, sample: bytes) -> tuple[str, int]:
    """The sample as text, and the number of bytes that are nothing, or only for private use, in that encoding."""
    decoder = Tolerant(codec)
    text = decoder.decode(sample, False)
    return text, decoder.bad_bytes + sum("\ue000" <= char <= "\uf8ff" for char in text)


def _standard(name: str, codec: str, sample: bytes, damage: int) -> str:
    """The standard's name where its codec gets as far as the vendor's."""
    if name == codec:
        return name
    return codec if _decoded(name, sample)[1] > damage else name


#: A letter of Windows-1252 beyond ASCII inside or beside an ASCII word. This and the other patterns are compiled where
#: they are used, which is seldom: UTF-8 texts need none.
_WESTERN = rb"(?<![\x80-\xff])(?:[a-zA-Z][\xc0-\xff]|[\xc0-\xff](?=[a-zA-Z]))(?![\x80-\xff])|(?<=[ (])\xe0(?= )"


def _is_western(sample: bytes) -> bool:
    """Whether the bytes beyond ASCII stand alone among Latin letters, as accented letters do."""
    beyond = len(sample) - len(re.sub(rb"[\x80-\xff]", b"", sample))
    return beyond * 3 < len(sample) + 3 and len(re.findall(_WESTERN, b" " + sample)) * 2 >= beyond > 0


def mostly_utf8(data: bytes) -> bool:
    """Whether valid characters beyond ASCII outnumber the bytes that are none: damaged UTF-8, not another encoding."""
    sample = data[:SAMPLE]
    decoder = Tolerant("utf-8")
    text = decoder.decode(sample, False)
    valid = np.count_nonzero(np.frombuffer(text.encode("utf-32-le"), "<u4") > 0x7F)
    return int(valid) > decoder.bad_bytes


def utf16_without_mark(head: bytes) -> str:
    """``utf-16-le`` or ``utf-16-be`` when a file that lacks the byte order mark reads as common text so; else ""."""
    for codec in ("utf-16-le", "utf-16-be"):
        text = Tolerant(codec).decode(head[:4096], False)
        known = sum(
            char in _FREQUENT or char in _PUNCTUATION or " " <= char <= "~" or char in "\t\r\n" for char in text
        )
        if known >= 0.3 * max(2, len(head[:4096]) // 2):
            return codec
    return ""


_THREE_BYTES = rb"[\xe0-\xff]"
_BEYOND_ASCII = rb"[\x80-\xff]"


def doubtful(head: bytes, told: str = "") -> str:
    """The legacy codec in which a text that is valid UTF-8 makes more sense; "" when there is no doubt.

    The bytes of two ideographs in GBK can be those of two accented letters in UTF-8 (the Chinese for "Unicom" is the
    known case). Real texts of Latin, Greek, Cyrillic, Arabic or Hebrew letters have next to none of the characters
    that are frequent in Chinese, Japanese and Korean when they are read so.

    Args:
        head: the beginning of the text.
        told: a codec that the user expects; of a short text that is reason enough to doubt.
    """
    sample = head[:4096]
    start = re.search(_BEYOND_ASCII, sample)
    if start is None or re.search(_THREE_BYTES, sample):
        return ""  # ideographs, kana and hangul have three bytes in UTF-8, and nearly no text in GBK looks like these
    sample = sample[start.start() :]
    if told and len(sample) < _SHORT and not _decoded(told, sample)[1]:
        return told
    for codec, name, frequent in _LADDER:
        text, damage = _decoded(codec, sample)
        judged = [char for char in text if char > "\x7f" and char not in _PUNCTUATION]
        if not damage and sum(char in frequent for char in judged) >= _BELIEVED * max(1, len(judged)):
            return name
    return ""


#: Characters beyond ASCII below which a text read in a codec that was told is not judged, and how many times as many
#: common ones another codec has to give.
_JUDGED, _FAR = 16, 4
#: Names of Big5 and of what adds to it.
_BIG5 = ("big5", "cp950", "big5hkscs")


def better(head: bytes, told: str) -> str:
    """The codec that gives many common characters where the one that was told gives hardly any; "" when none does.

    Big5, Shift_JIS and EUC-KR text decodes as GB18030 without an error, and that is how a wrong name goes unnoticed.
    The kana that Big5 text often turns into are no reason to believe it, since characters for private use come with
    them. Nor are those that GB 18030 turns into as Big5, which is the encoding of no Japanese text.

    Args:
        head: the beginning of the text.
        told: the codec it is read in.
    """
    start = re.search(_BEYOND_ASCII, head)
    if start is None:
        return ""
    sample = head[start.start() :][:4096]
    shares = {name: _common(codec, sample, frequent) for codec, name, frequent in _LADDER}
    name = max(shares, key=lambda each: shares[each])
    expected = _FREQUENT.difference(_KANA) if codecs.lookup(told).name in _BIG5 else _FREQUENT
    far = shares[name] >= max(_BELIEVED, _FAR * _common(told, sample, expected))
    return name if far else ""


def _common(codec: str, sample: bytes, frequent: frozenset[str]) -> float:
    """Share of frequent characters; 0 for too few to judge, or for bytes that are nothing or private in that codec."""
    text, damage = _decoded(codec, sample)
    judged = [char for char in text if char > "\x7f" and char not in _PUNCTUATION]
    if len(judged) < _JUDGED or damage > _DAMAGE * len(sample):
        return 0.0
    return sum(char in frequent for char in judged) / len(judged)


#: Escape sequences of ISO 2022 that announce two-byte characters (RFC 1468, RFC 1557, RFC 1922).
_ISO_2022 = rb"\x1b\$(?:([@B]|\([@BDQOP])|(\)C)|(\)[AGE]|\*H))"
#: The standard, the one with half-width kana and JIS X 0212, and that of JIS X 0213; the first that takes a text is it.
_ISO_2022_JP = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004")
#: Stretches of HZ text (RFC 1843): pairs of bytes between ``~{`` and ``~}``.
_HZ = rb"~\{((?:[!-w][!-~]){2,}?)~\}"


def escaped_encoding(head: bytes) -> str:
    """The codec of a text of nothing but ASCII bytes that is written in HZ or a variant of ISO 2022; else ""."""
    if not head.isascii():
        return ""
    found = re.search(_ISO_2022, head)
    if found:
        return "iso2022_kr" if found[2] else min(_ISO_2022_JP, key=lambda codec: _decoded(codec, head)[1])
    leads = b"".join(stretch[::2] for stretch in re.findall(_HZ, head))
    # rows 0x30 to 0x57 are the common characters; code and formulas between such braces are mostly lower-case letters
    common = sum(0x30 <= lead <= 0x57 or lead in b"!#" for lead in leads)
    return "hz" if common * 3 > len(leads) * 2 else ""


def is_mojibake(head: bytes) -> bool:
    """Whether a UTF-8 text is what comes out when UTF-8 is read as Latin-1 or Windows-1252 and saved as UTF-8 again."""
    # bytes 80 to BF, which every character beyond ASCII has, turn into C2 and another byte
    if b"\xc2" not in head:
        return False
    text = head.decode("utf-8", "ignore")
    beyond = sum(char > "\x7f" for char in text)
    inner = _bytes_again(text)
    if beyond < 6 or inner is None:
        return False
    decoder = Tolerant("utf-8")
    repaired = decoder.decode(inner, False)
    # genuine accents are no valid UTF-8; nearly everything must be, and give fewer characters than there were
    return decoder.bad_bytes * 10 <= beyond and not repaired.isascii()


def _bytes_again(text: str) -> bytes | None:
    """The bytes that gave a text when they were read as Latin-1 or Windows-1252; None when none can."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        pass
    inner = bytearray()
    for char in text:
        if char < "\u0100":
            inner.append(ord(char))
            continue
        try:
            inner += codecs.charmap_encode(char, "strict", _CP1252)[0]
        except UnicodeEncodeError:
            return None
    return bytes(inner)


#: Characters beyond Latin-1 that Windows-1252 has, and their bytes.
_CP1252 = {ord(bytes((byte,)).decode("cp1252", "replace")): byte for byte in range(0x80, 0xA0)}
_CP1252.pop(0xFFFD, None)


def is_unicode(head: bytes) -> bool:
    """Whether a text begins with a byte order mark, or is valid UTF-8 and not merely ASCII.

    ASCII proves nothing: HZ, ISO-2022 and UTF-7 are made of it.
    """
    if magic(head).startswith("utf-"):
        return True
    if head.isascii():
        return False
    try:
        codecs.utf_8_decode(head, "strict", False)  # a character may be cut short at the end of the block
    except UnicodeDecodeError:
        return False
    return True
