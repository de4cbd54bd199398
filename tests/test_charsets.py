"""Hints on a text's encoding."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from charvec.plumbing.text.charsets import (
    better,
    candidates,
    candidates_together,
    escaped_encoding,
    is_mojibake,
    mostly_utf8,
    utf16_without_mark,
)

TEXTS = {
    path.name.split(".")[1]: path.read_text("utf-8")
    for path in (Path(__file__).parent / "data" / "texts").glob("utf-8.*-*.txt")
}
ENCODINGS = {
    "simplified": {"gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030"},
    "traditional": {"big5": "big5", "cp950": "big5", "gb18030": "gb18030"},
    "japanese": {"shift_jis": "shift_jis", "cp932": "shift_jis", "euc_jp": "euc_jp"},
    "korean": {"euc_kr": "cp949", "cp949": "cp949"},
}
CASES = [
    (name, encoding, wanted) for name in sorted(TEXTS) for encoding, wanted in ENCODINGS[name.split("-")[0]].items()
]
EUROPEAN = [
    "Élève à l'école : déjà vu, où êtes-vous, garçon ? « Ça va très bien », répondit-il ; l'été, c'était la fête.",
    "Äpfel, Öl und Übermut: Größe, Straße, schön für müde Füße. Es war einmal ein Mädchen, das hieß „Rotkäppchen“.",
    "Đường về nhà hôm nay sao dài quá, mưa rơi từ sáng đến chiều mà tôi thì quên mang ô; cà phê cũng nguội rồi.",
    "São Paulo não é a capital; a informação está na página três, após o título ‘Condições’. NÃO HÁ EXCEÇÕES.",
    "Señor, ¿dónde está el baño? ¡Mañana será otro día! 25 °C ± 3, ½ litro, § 5, © 2020, naïve, 100 µm.",
]


SAMPLES = {
    name: (Path(__file__).parents[1] / "samples" / "texts" / f"{name}.txt").read_text("utf-8").splitlines()
    for name in ("simplified", "traditional", "japanese", "korean")
}
#: The language, the encoding its lines are in, and what it was told to be by mistake.
MISTAKEN = [
    ("traditional", "big5", "gb18030"),
    ("traditional", "big5", "gbk"),
    ("japanese", "shift_jis", "gb18030"),
    ("korean", "euc_kr", "gb18030"),
    ("simplified", "gb18030", "big5"),
    ("simplified", "gb18030", "cp950"),
    ("simplified", "gb18030", "big5hkscs"),
]


def beyond_ascii(data: bytes) -> bytes:
    """The data as the reader hands it over: from the first byte that is not ASCII."""
    start = re.search(rb"[\x80-\xff]", data)
    assert start
    return data[start.start() :]


@pytest.mark.parametrize(("name", "encoding", "wanted"), CASES)
def test_the_right_encoding_comes_first(name: str, encoding: str, wanted: str) -> None:
    """For whole everyday texts, and for every stretch of 200 characters of them; cp949 holds all of EUC-KR."""
    text = TEXTS[name]
    assert candidates(beyond_ascii(text.encode(encoding)))[0] == wanted
    for start in range(0, len(text) - 200, 7):
        assert candidates(beyond_ascii(text[start : start + 200].encode(encoding)))[0] == wanted


@pytest.mark.parametrize(("name", "encoding", "wanted"), CASES)
def test_damage_does_not_hide_the_encoding(name: str, encoding: str, wanted: str) -> None:
    """One bad byte in the middle, as after a bad copy, and a last character cut short."""
    data = beyond_ascii(TEXTS[name].encode(encoding))
    assert candidates(data[:-1] if data[-1] > 127 else data[:-2])[0] == wanted
    place = data.index(b"\n") + 1
    assert candidates(data[:place] + b"\xff" + data[place:])[0] == wanted


def test_vendors_characters() -> None:
    """Circled digits are in Windows' Shift_JIS only, so that codec is named; and in no EUC-JP that Python calls so."""
    data = ("①" + TEXTS["japanese-diary"]).encode("cp932")
    assert candidates(data)[0] == "cp932"
    for text in ("①" + TEXTS["japanese-diary"], "①㈱明日はラーメンを\n" * 20):
        named = candidates(text.encode("euc_jis_2004", "ignore"))
        assert named[0] == "euc_jis_2004" and "euc_jp" not in named
    rare = TEXTS["japanese-diary"] + "丂仡"  # of JIS X 0212, which the other lacks
    assert candidates(rare.encode("euc_jp", "ignore"))[0] == "euc_jp"


@pytest.mark.parametrize("text", [text for text in EUROPEAN if text[0] not in "Đ"])
def test_western_text(text: str) -> None:
    """Accented letters stand alone among ASCII letters."""
    assert candidates(beyond_ascii(text.encode("cp1252", "ignore"))) == ["cp1252"]


def test_noise_and_nothing() -> None:
    """Never an error, whatever the bytes; no more names than there are."""
    chance = random.Random(2)
    for length in [0, 1, 2, 3, 50, 3000]:
        for _ in range(20):
            names = candidates(chance.randbytes(length))
            assert len(names) == len(set(names)) <= 6
    assert candidates(b"\xff" * 1000) == []


def test_only_the_beginning_is_judged() -> None:
    """A long file costs no more than a short one: what comes late does not change the answer."""
    data = beyond_ascii(TEXTS["korean-news"].encode("cp949"))
    long = data * (1 + 65_536 // len(data))
    assert candidates(long + b"\xff" * 100_000) == candidates(long)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_damaged_utf8_is_still_utf8(name: str) -> None:
    """Some bytes overwritten: yes. Another encoding: no."""
    data = bytearray(TEXTS[name].encode())
    for place in random.Random(name).sample(range(len(data)), len(data) // 50):
        data[place] = 0xFF
    assert mostly_utf8(bytes(data))
    for encoding in ENCODINGS[name.split("-")[0]]:
        assert not mostly_utf8(TEXTS[name].encode(encoding))
    assert not mostly_utf8(b"") and not mostly_utf8(b"\xff")


@pytest.mark.parametrize("name", sorted(TEXTS))
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_without_mark(name: str, codec: str) -> None:
    """Every language, either byte order."""
    assert utf16_without_mark(TEXTS[name].encode(codec)) == codec


@pytest.mark.parametrize("name", [name for name in sorted(TEXTS) if name.startswith("simplified")])
def test_hz(name: str) -> None:
    """Chinese in seven bits."""
    assert escaped_encoding(TEXTS[name].encode("hz", "ignore")) == "hz"
    assert escaped_encoding("From: 张三\nHello, 你好！\n".encode("hz")) == "hz"


@pytest.mark.parametrize(
    ("name", "codec"),
    [("japanese-diary", "iso2022_jp"), ("japanese-guide", "iso2022_jp"), ("korean-news", "iso2022_kr")],
)
def test_iso_2022(name: str, codec: str) -> None:
    """Japanese and Korean mail."""
    assert escaped_encoding(TEXTS[name].encode(codec, "ignore")) == codec


@pytest.mark.parametrize(
    ("text", "codec"), [("半角ﾊﾝｶｸ", "iso2022_jp_ext"), ("丂丄", "iso2022_jp_ext"), ("①㈱の俱", "iso2022_jp_2004")]
)
def test_variants_of_iso_2022_jp(text: str, codec: str) -> None:
    """The one is named that reads the whole text, also when a character is cut in two at the end of what is seen."""
    for more in ("", "\n明日は雨です\n" * 9):
        data = (text + more).encode(codec)
        assert escaped_encoding(data) == escaped_encoding(data[:-4]) == codec
        assert data.decode(escaped_encoding(data)) == text + more


@pytest.mark.parametrize(
    "text",
    [
        "plain English text, with ~tilde~ and {braces} and ~{both}~",
        r"$\tilde~{abcd}~ + x~{12}~$",
        "class A { public: ~A(); }; struct B { virtual ~B() {} };",
        "a =~ m{foo}; b =~{bar}; cd ~{user}/~{home}~}",
        "awk '~{print}~{exit}~}'",
        "\x1b[31mred\x1b[0m \x1b(B\x1b[m \x1b$ \x1b$x",
        "~{ spaced words here ~}",
        "~{lowercaseletters~}",
    ],
)
def test_code_is_no_hz(text: str) -> None:
    """Braces, tildes and terminal colours are common in plain text."""
    assert escaped_encoding(text.encode()) == ""


def mojibake(text: str, codec: str) -> bytes:
    """UTF-8 read as a Western encoding and saved again; what the codec lacks stands for itself, as on the Web."""
    wrong = "".join(bytes((byte,)).decode(codec, "ignore") or chr(byte) for byte in text.encode())
    return wrong.encode()


@pytest.mark.parametrize("name", sorted(TEXTS))
@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
def test_mojibake(name: str, codec: str) -> None:
    """Each language, also when the text is cut within a character, and when some of it was lost."""
    spoiled = mojibake(TEXTS[name], codec)
    assert all(is_mojibake(spoiled[:cut]) for cut in (90, 91, 200, 333))
    assert is_mojibake(spoiled)
    assert not is_mojibake(TEXTS[name].encode())


@pytest.mark.parametrize("text", EUROPEAN)
def test_european_text_is_no_mojibake(text: str) -> None:
    """Genuine accents, symbols and quotation marks; but saved wrongly once, it is one."""
    for variant in (text, text.upper(), text.replace(" ", "\u00a0"), text * 40):
        assert not is_mojibake(variant.encode())
    assert is_mojibake(mojibake(text, "latin-1"))


def test_other_languages_are_left_to_the_library() -> None:
    """charset-normalizer, where it is installed, is asked for what is neither Chinese, Japanese nor Korean."""
    pytest.importorskip("charset_normalizer", reason="charset-normalizer is not installed")
    text = "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства. " * 5
    assert candidates(text.encode("koi8_r"))[0] == "koi8-r"
    assert "cp1251" in candidates(text.encode("cp1251"))


@pytest.mark.parametrize(("codec", "name"), [("gb18030", "gb18030"), ("cp932", "shift_jis"), ("cp949", "cp949")])
def test_files_of_a_folder_are_judged_together(codec: str, name: str) -> None:
    """A text too short to tell takes the encoding of its neighbours, when that fits; otherwise it keeps its own."""
    longer = {
        "gb18030": "我们在这里说的是中文，他们也在这里。" * 3,
        "cp932": "これは日本語の文章です。ひらがなとカタカナ。" * 3,
        "cp949": "이것은 한국어로 쓴 글입니다. 우리는 여기에 있습니다." * 3,
    }
    short = {"gb18030": "鼯鼠", "cp932": "鼠", "cp949": "쥐"}
    together = candidates_together([longer[codec].encode(codec), short[codec].encode(codec)])
    assert [names[0] for names in together] == [name, name]
    alone = candidates_together([longer["cp932"].encode("cp932"), longer["gb18030"].encode("gb18030")])
    assert [names[0] for names in alone] == ["shift_jis", "gb18030"]


@pytest.mark.parametrize(("name", "encoding", "told"), MISTAKEN)
def test_each_line_read_in_a_wrong_encoding_is_noticed(name: str, encoding: str, told: str) -> None:
    """Each line of the samples, five times over; what is named is an encoding in which the line is itself again."""
    assert len(SAMPLES[name]) >= 40
    for line in SAMPLES[name]:
        data = (line * 5).encode(encoding, "ignore")
        found = better(data, told)
        assert found, line
        assert data.decode(found) == data.decode(encoding)


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "big5", "cp950", "shift_jis", "euc_jp", "euc_kr", "cp949"])
def test_no_line_read_in_its_encoding_is_doubted(encoding: str) -> None:
    """Each line of the samples that the encoding can write, five times over."""
    lines = [
        line for name in SAMPLES for line in SAMPLES[name] if line == line.encode(encoding, "ignore").decode(encoding)
    ]
    assert len(lines) > 20
    assert [line for line in lines if better((line * 5).encode(encoding), encoding)] == []
