"""How much text a normaliser can make of one character, and which patterns match where no character is."""

from __future__ import annotations

import base64
import itertools
import json
import random
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Regex, normalizers

from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.plumbing.spelling.tokenizer_growth import growth_of, matches_nothing


def replacing(content: str, **pattern: str) -> dict[str, Any]:
    """A step."""
    return {"type": "Replace", "pattern": pattern, "content": content}


def chain(*steps: dict[str, Any]) -> dict[str, Any]:
    """A normaliser."""
    return {"type": "Sequence", "normalizers": list(steps)}


def test_replacements_that_never_meet() -> None:
    """Blanks around each of 32 marks, as model2vec puts them, make three characters of one, not 3 ** 32."""
    marks = [replacing(f" {char} ", String=char) for char in string.punctuation]
    strip = {"type": "Strip", "strip_left": True, "strip_right": True}
    assert growth_of(chain({"type": "NFKC"}, *marks, replacing(" ", Regex="\\s+"), strip)) == 3


def test_replacements_that_meet() -> None:
    """What one step makes, the next may take."""
    assert growth_of(None) == growth_of({"type": "Lowercase"}) == 1
    assert growth_of(chain(replacing("bb", String="a"), replacing("ccc", String="b"))) == 6
    assert growth_of(chain(replacing("ccc", String="b"), replacing("bb", String="a"))) == 3
    assert growth_of(chain(replacing("aaaa", String="ab"))) == 2
    assert growth_of(chain(replacing("xx", Regex="."), replacing("yy", Regex="[x-z]"))) == 4
    assert growth_of(chain(replacing("bb", String="a"), {"type": "Lowercase"}, replacing("ccc", String="b"))) == 6
    assert growth_of(chain(*[{"type": "Prepend", "prepend": "ab"}] * 3)) == 27
    assert growth_of(chain(*[replacing("aa", String="a")] * 60)) == 10**9


def rules(text: str) -> dict[str, Any]:
    """Rules of SentencePiece with one text that they make of a character; which character does not matter here."""
    blob = (4).to_bytes(4, "little") + bytes(4) + text.encode() + b"\0"
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}


def test_steps_that_grow_of_themselves() -> None:
    """Bytes written as characters become twice as many each time; rules of SentencePiece may make anything."""
    bytes_as_text = {"type": "ByteLevel"}
    assert growth_of(chain(*[bytes_as_text] * 3)) == growth_of(chain(bytes_as_text), chain(*[bytes_as_text] * 2)) == 64
    assert growth_of(chain(replacing("aaa", String="b"), bytes_as_text)) == 12
    assert growth_of(rules("a" * 33)) == growth_of(rules("")) == growth_of(chain(*[rules("")] * 3)) == 1
    assert growth_of(rules("a" * 34)) == 34
    assert growth_of(chain(*[rules("aa")] * 3)) == 4
    assert growth_of({"type": "Precompiled", "precompiled_charsmap": "no base64!"}) == 1
    marks = [{"type": "Metaspace", "replacement": mark, "prepend_scheme": "always"} for mark in "▁x"]
    assert [growth_of(chain(*marks[:1] * count)) for count in range(4)] == [1, 1, 2, 4]
    assert growth_of(chain(*marks * 10)) == 2**19


def test_what_unicode_makes_of_replacements() -> None:
    """U+FDFA becomes 18 characters, and each of them U+FDFA again; the blanks around an ideograph become ideographs."""
    again = replacing("\ufdfa", Regex=".")
    assert growth_of(chain({"type": "NFKD"})) == growth_of(chain({"type": "NFKD"}, again)) == 1
    assert growth_of(chain(again, {"type": "NFKD"}, again, {"type": "NFKC"})) == 18**2
    bert = {"type": "BertNormalizer", "handle_chinese_chars": True}
    blanks = replacing("\u4e2d", String=" ")
    assert growth_of(chain(blanks, bert, blanks, bert, blanks, bert)) >= 9
    for made in (replacing("\u2581", String=" "), replacing(" ", Regex="\\s+")):
        assert growth_of(chain(*[made, {"type": "NFKC"}, {"type": "Lowercase"}] * 5)) == 1


@pytest.mark.parametrize("part", ["normalizer", "pre_tokenizer"])
def test_bytes_of_bytes(part: str, tmp_path: Path) -> None:
    """Forty steps would make a million million characters of one; they are refused, and one is read."""
    path = tmp_path / "tokenizer.json"
    step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    steps = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}[part]
    for count in (1, 40):
        model = {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}
        several = {"type": "Sequence", steps: [step] * count}
        path.write_text(json.dumps({"added_tokens": [], "model": model, part: several}), "utf-8")
        if count == 1:
            assert vocabularies.read(path).spell(np.array([97], np.uint32)).ids(0) == (0,)
    with pytest.raises(CharvecError, match="more than 10,000 characters") as caught:
        vocabularies.read(path)
    assert caught.value.code == "E-TOKENIZER"


def test_no_text_grows_more(tmp_path: Any) -> None:
    """Random replacements, as the library does them, never make more of a text than that."""
    generator = random.Random(11)
    forms = ["a", "b", "ab", "ba", "aab"]
    patterns = ["a*", "b+", "[ab]", "(?=a)", "^", "$", "a|b*", "(ab)?", "x*", ".", "\\b", "a{0,2}b", "(?<=b)a?"]
    seen = set()
    for _ in range(400):
        steps = []
        for _ in range(generator.randrange(1, 5)):
            kind = generator.choice(["String", "Regex", "Prepend"])
            content = "".join(generator.choices("abc", k=generator.randrange(4)))
            if kind == "Prepend":
                steps.append({"type": "Prepend", "prepend": content})
            else:
                steps.append(replacing(content, **{kind: generator.choice(forms if kind == "String" else patterns)}))
        made = normalizers.Sequence(
            [
                normalizers.Prepend(step["prepend"])
                if step["type"] == "Prepend"
                else normalizers.Replace(
                    step["pattern"].get("String") or Regex(step["pattern"]["Regex"]), step["content"]
                )
                for step in steps
            ]
        )
        most = growth_of(chain(*steps))
        for length in (1, 2, 3):
            for text in map("".join, itertools.product("abc", repeat=length)):
                left = len(made.normalize_str(text))
                assert left <= most * length, (steps, text)
                seen.add(left == most * length)
    assert seen == {False, True}


@pytest.mark.parametrize(
    "form",
    [
        *(
            "",
            "x*",
            "x?",
            "x{0,3}",
            "x{,3}",
            "x*+",
            "x{1}?",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<!a)",
            "^",
            "$",
            "\\b",
            "a|",
        ),
        *("(a|b*)", "(a|b)*", "(ab?)?", "(?i:x*)", "(?x) # a", "\\x41*", "\\u0041?", "\\p{L}*", "[a-z]*", "a\\K"),
        *("(?(1)a|b)|", "(?#()a", "((a)|\\2)\\1", "a)", "(?>a?)", "(?~a)", "[]a]*", "[[:alpha:]]?", "\\", "("),
        *("(?=.)|(?<!^)$", "(" * 5_000, "(?", "(?<", "a(?#)*", "a(?#b)?", "(?#a)b{0}"),
    ],
)
def test_patterns_that_match_nothing(form: str) -> None:
    """They do, or may."""
    assert matches_nothing(form)


@pytest.mark.parametrize(
    "form",
    [
        *(
            " {2,}",
            "\\s+",
            "\\A +| +\\z",
            "\\A▁",
            "^▁+$",
            " +▁",
            "\\s{2,}|[\\n\\r\\t]",
            "``",
            ".",
            "[^a]",
            "[]a]",
            "a{x}",
        ),
        *(
            "(?i:'s|'t)|x",
            "(a|b)+",
            "(?<n>a)",
            "(?i)a",
            "\\p{L}+",
            "\\x41",
            "\\x{41}",
            "[[:alpha:]x]b*",
            "\\\\",
            "(a)b?",
        ),
    ],
)
def test_patterns_that_take_a_character(form: str) -> None:
    """They never match where none is, which the library confirms."""
    assert not matches_nothing(form)
    assert normalizers.Replace(Regex(form), "!").normalize_str("") == ""
