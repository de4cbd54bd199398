"""Scripts and blocks of code points."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from charvec.errors import UsageError
from charvec.plumbing.text import scripts
from charvec.plumbing.text.scripts import blocks, in_scripts, parse_scripts, script_ids

EVERY = np.arange(0x110000, dtype=np.uint32)
EVERY_TEXT = "".join(map(chr, range(0x110000)))
TABLE = Path(scripts.__file__).with_name("scripts.tsv")
TOOL = Path(__file__).resolve().parents[1] / "tools" / "make_unicode_table.py"


def codepoints(text: str) -> NDArray[np.uint32]:
    return np.array([ord(char) for char in text], np.uint32)


def script(char: str) -> str:
    return scripts.SCRIPTS[script_ids(codepoints(char))[0]]


def block(char: str) -> str:
    return scripts.BLOCKS[blocks(codepoints(char))[0]]


def those_in(text: str, names: str) -> str:
    """The characters of a text that belong to some scripts."""
    mask = in_scripts(codepoints(text), parse_scripts(names))
    return "".join(char for char, inside in zip(text, mask, strict=True) if inside)


@pytest.mark.parametrize(
    ("char", "name"),
    [
        *(("水", "Han"), ("々", "Han"), ("〇", "Han"), ("𠀀", "Han"), ("⺀", "Han"), ("\U0003134a", "Han")),
        *(("の", "Hiragana"), ("ノ", "Katakana"), ("ﾉ", "Katakana"), ("ー", "Common"), ("・", "Common")),
        *(("한", "Hangul"), ("ㅋ", "Hangul"), ("ㄅ", "Bopomofo"), ("ꀀ", "Yi"), ("\U00016fe0", "Tangut")),
        *(("a", "Latin"), ("Ａ", "Latin"), ("é", "Latin"), ("я", "Cyrillic"), ("α", "Greek"), ("क", "Devanagari")),
        *(("1", "Common"), (" ", "Common"), ("，", "Common"), ("👍", "Common"), ("\u0301", "Inherited")),
        *(("\0", "Common"), ("\ud800", "Unknown"), ("\ue000", "Unknown"), ("\U0010ffff", "Unknown")),
    ],
)
def test_well_known_scripts(char: str, name: str) -> None:
    """As anybody can look up."""
    assert script(char) == name


@pytest.mark.parametrize(
    ("char", "name"),
    [
        *(("a", "Basic Latin"), ("\x7f", "Basic Latin"), ("\x80", "Latin-1 Supplement"), ("の", "Hiragana")),
        *(("ー", "Katakana"), ("一", "CJK Unified Ideographs"), ("\u9fff", "CJK Unified Ideographs")),
        *(("㐀", "CJK Unified Ideographs Extension A"), ("𠀀", "CJK Unified Ideographs Extension B")),
        *(
            ("가", "Hangul Syllables"),
            ("\ue000", "Private Use Area"),
            ("\U0010ffff", "Supplementary Private Use Area-B"),
        ),
        *(("\u2fe0", "No_Block"), ("\U000e0fff", "No_Block")),
    ],
)
def test_well_known_blocks(char: str, name: str) -> None:
    """Likewise; some ranges belong to no block."""
    assert block(char) == name


def test_types_and_shapes() -> None:
    """As documented, also for nothing at all."""
    assert script_ids(EVERY).dtype == np.uint8 and script_ids(EVERY).shape == (0x110000,)
    assert blocks(EVERY).dtype == np.uint16 and blocks(EVERY).shape == (0x110000,)
    nothing = EVERY[:0]
    assert len(script_ids(nothing)) == len(blocks(nothing)) == len(in_scripts(nothing, ["Han"])) == 0
    assert not in_scripts(EVERY, []).any() and in_scripts(EVERY, scripts.SCRIPTS).all()
    assert list(scripts.SCRIPTS) == sorted(set(scripts.SCRIPTS))
    assert len(scripts.BLOCKS) == len(set(scripts.BLOCKS))
    with pytest.raises(AttributeError, match="NAMES"):
        _ = scripts.NAMES


def test_script_extensions_count() -> None:
    """What is shared by a few scripts belongs to each of them."""
    text = "水々〇のノーｰ・、。「」，1a é\u3099㍿"
    assert those_in(text, "kana") == "のノーｰ・、。「」\u3099㍿"[:-1]
    assert those_in(text, "han") == "水々〇・、。「」㍿"
    assert those_in(text, "latin") == "aé"
    assert those_in("ー", "common") == "ー" and those_in("\u3099", "inherited") == "\u3099"
    assert those_in("a水，1", "cjk") == "水"


def test_every_code_point_belongs_to_its_script() -> None:
    """Extensions only ever add."""
    ids = script_ids(EVERY)
    for number, name in enumerate(scripts.SCRIPTS):
        assert in_scripts(EVERY[ids == number], [name]).all()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("han", {"Han"}),
        ("HANI", {"Han"}),
        ("Hira", {"Hiragana"}),
        ("kana", {"Hiragana", "Katakana"}),
        ("Kana", {"Hiragana", "Katakana"}),
        ("katakana", {"Katakana"}),
        ("hrkt", {"Hiragana", "Katakana"}),
        ("cjk", {"Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"}),
        ("Jpan", {"Han", "Hiragana", "Katakana"}),
        ("kore", {"Han", "Hangul"}),
        ("common, Inherited", {"Common", "Inherited"}),
        ("Zyyy,zinh,Zzzz", {"Common", "Inherited", "Unknown"}),
        (" old-italic ,OLD ITALIC,old_italic, Ital,", {"Old_Italic"}),
    ],
)
def test_names(text: str, names: set[str]) -> None:
    """Unicode's, ISO 15924's and ours; case and separators make no difference."""
    assert parse_scripts(text) == names


def test_all_names_and_codes() -> None:
    """Each name is itself; each code but Kana is one of them."""
    for name in scripts.SCRIPTS:
        assert parse_scripts(name) == parse_scripts(name.lower()) == {name}


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("hiragna", "Hiragana"),
        ("han,hangull", "Hangul"),
        ("hans", "Han"),
        ("kanas", "kana"),
        ("kanna", "kana"),
        ("Zyyyy", "Zyyy"),
    ],
)
def test_near_misses(text: str, guess: str) -> None:
    """The error names what was probably meant."""
    with pytest.raises(UsageError) as caught:
        parse_scripts(text)
    assert caught.value.code == "E-SCRIPT" and caught.value.exit_code == 2
    assert f"did you mean {guess}?" in caught.value.help
    assert repr(text.split(",")[-1]) in caught.value.message


@pytest.mark.parametrize("text", ["", " ", ",", "qqqq", "x" * 100_000, "漢字", "han;kana"])
def test_names_that_are_none(text: str) -> None:
    """Nothing is guessed, and nothing long is repeated."""
    with pytest.raises(UsageError) as caught:
        parse_scripts(text)
    assert caught.value.code == "E-SCRIPT" and len(str(caught.value)) < 300


def test_the_table_is_read_when_it_is_needed() -> None:
    """Not at import."""
    code = (
        "import charvec.plumbing.text.scripts as scripts\n"
        "assert scripts._table.cache_info().currsize == 0\n"
        "scripts.SCRIPTS\n"
        "assert scripts._table.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_table_says_where_it_is_from() -> None:
    """Version, and the notice its licence asks for."""
    text = TABLE.read_text("utf-8")
    assert f"\nversion\t{scripts.UNICODE_VERSION}\n" in text
    assert "UNICODE LICENSE V3" in text and "COPYRIGHT AND PERMISSION NOTICE" in text


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version that is stated is the one of the table."""
    scripts._table.cache_clear()
    monkeypatch.setattr(scripts, "UNICODE_VERSION", "1.0.0")
    with pytest.raises(AssertionError, match="another version"):
        scripts._table()


def matches(regex: ModuleType, pattern: str) -> NDArray[np.bool_]:
    """Bool [1,114,112]: which code points match."""
    mask = np.zeros(0x110000, np.bool_)
    for match in regex.finditer(pattern + "+", EVERY_TEXT):
        mask[match.start() : match.end()] = True
    return mask


def test_every_code_point_against_regex() -> None:
    """Another program's tables, of the same version all of them, else of what both assign, where a few may differ."""
    regex = pytest.importorskip("regex")
    ids, places = script_ids(EVERY), blocks(EVERY)
    unassigned = scripts.SCRIPTS.index("Unknown")
    theirs = ~matches(regex, r"\p{Script=Unknown}")
    same = bool((theirs == (ids != unassigned)).all())
    both = np.ones(0x110000, np.bool_) if same else theirs & (ids != unassigned)
    changed = 0
    for number, name in enumerate(scripts.SCRIPTS):
        try:
            by_script, by_extension = matches(regex, rf"\p{{Script={name}}}"), matches(regex, rf"\p{{scx={name}}}")
        except regex.error:
            assert not same  # an older one does not know the script
            continue
        changed += int(((by_script != (ids == number)) & both).sum())
        # regex has no Common for what has extensions; for us its Script counts as well
        changed += int((((by_script | by_extension) != in_scripts(EVERY, [name])) & both).sum())
    for number, name in enumerate(scripts.BLOCKS):
        if same:
            changed += int((matches(regex, rf"\p{{Block={name}}}") != (places == number)).sum())
    assert changed == 0 if same else changed < 1000


def tool() -> ModuleType:
    """The program that makes the table; it is not installed."""
    if not TOOL.exists():
        pytest.skip("tools/ is not beside tests/")
    spec = importlib.util.spec_from_file_location("make_unicode_table", TOOL)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


UCD = {
    "PropertyValueAliases.txt": "# @missing\n\nage; 1.1 ; V1_1\nsc ; Hira ; Hiragana\n"
    "sc ; Hrkt ; Katakana_Or_Hiragana\nsc ; Kana ; Katakana # no\nsc ; Zyyy ; Common ; Qaax\nsc ; Zzzz ; Unknown\n",
    "Scripts.txt": "0020 ; Common # Zs SPACE\n3041..3042 ; Hiragana # Lo\n3043 ; Hiragana\n"
    "30A1..30A2;Katakana\n30FC ; Common\n",
    "ScriptExtensions.txt": "30FC ; Kana Hira # Lm\n30A2 ; Kana\n",
    "Blocks.txt": "3040..309F; Hiragana\n30A0..30FF; Katakana\n",
}
MADE = """\
version\t9.8.7
[names]
Zyyy\tCommon
Hira\tHiragana
Kana\tKatakana
Zzzz\tUnknown
[scripts]
0\tZzzz
20\tZyyy
21\tZzzz
3041\tHira
3044\tZzzz
30A1\tKana
30A3\tZzzz
30FC\tZyyy\tHira\tKana
30FD\tZzzz
[blocks]
0\tNo_Block
3040\tHiragana
30A0\tKatakana
3100\tNo_Block
"""


def write_ucd(folder: Path, version: str = "9.8.7") -> None:
    for name, text in UCD.items():
        head = f"# {Path(name).stem}-{version if name == 'Blocks.txt' else '9.8.7'}.txt\n# © 2099 Unicode®, Inc.\n"
        (folder / name).write_text(head + text, "utf-8")


def test_making_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a small database."""
    write_ucd(tmp_path)
    assert tool().main([str(tmp_path), "-o", str(tmp_path / "made.tsv")]) == 0
    lines = (tmp_path / "made.tsv").read_text("utf-8").splitlines(keepends=True)
    assert "".join(line for line in lines if not line.startswith("#")) == MADE
    assert "# Copyright © 1991-2099 Unicode, Inc.\n" in lines
    assert capsys.readouterr().err.endswith(" bytes\n")


def test_making_the_table_of_mixed_versions(tmp_path: Path) -> None:
    """Is refused."""
    write_ucd(tmp_path, "9.8.6")
    with pytest.raises(ValueError, match="different versions"):
        tool().make(tmp_path)
    (tmp_path / "Blocks.txt").write_text("# a table")
    with pytest.raises(ValueError, match="does not say its version"):
        tool().make(tmp_path)


def test_the_table_is_the_one_that_is_made() -> None:
    """Where the database is installed, as by Debian's package unicode-data, in our version."""
    folder = Path("/usr/share/unicode")
    if not (folder / "Blocks.txt").exists() or tool().edition(folder)[0] != scripts.UNICODE_VERSION:
        pytest.skip(f"/usr/share/unicode does not hold version {scripts.UNICODE_VERSION}")
    assert tool().make(folder) == TABLE.read_text("utf-8")
