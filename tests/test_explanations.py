"""Every code is explained, every explanation belongs to a code, and every error says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import charvec
from charvec.cli import main
from charvec.explanations import EXPLANATIONS, SECTIONS, sections

PACKAGE = Path(charvec.__file__).resolve().parent
CODE = re.compile(r"[\"\[`]([EWN]-[A-Z0-9]+(?:-[A-Z0-9]+)*)[\"\]`]")


def used() -> set[str]:
    """Codes in the source; the E- twins that scanning makes of its W- codes are named in its docstring."""
    sources = [path for path in PACKAGE.rglob("*.py") if path.name != "explanations.py"]
    return {code for path in sources for code in CODE.findall(path.read_text("utf-8"))} - {"E-LFS"}


def test_every_code_is_explained() -> None:
    """No code without its text."""
    assert sorted(used() - EXPLANATIONS.keys()) == []


def test_every_explanation_is_needed() -> None:
    """No text without its code."""
    assert sorted(EXPLANATIONS.keys() - used()) == []


def test_explanations_are_sentences() -> None:
    """They begin and end as sentences do."""
    for code, text in EXPLANATIONS.items():
        assert text[-1] in ".:" and text == text.strip() and "  " not in text, code


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints one text, or every code once with a sentence under its heading; a near miss gets a hint."""
    assert main(["explain", "e-lfs-pointer"]) == 0
    assert capsys.readouterr().out == f"E-LFS-POINTER\n{EXPLANATIONS['E-LFS-POINTER']}\n"
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    assert sorted(code for code, _ in listed) == sorted(EXPLANATIONS)
    assert all(EXPLANATIONS[code].startswith(sentence) for code, sentence in listed)
    headings = [line for line in lines if line and not line.startswith("  ")]
    assert headings == [*sections(), "charvec explain CODE tells more"] and all(sections().values())
    assert main(["explain", "E-LSF-POINTER"]) == 2
    assert "did you mean E-LFS-POINTER?" in capsys.readouterr().err


def test_sections() -> None:
    """Each begins at a code that exists, in the order of the table; errors, warnings and notes stand apart."""
    assert list(SECTIONS) == [code for code in EXPLANATIONS if code in SECTIONS]
    letters = {title: {code[0] for code in codes} for title, codes in sections().items()}
    assert {title.split()[0].strip(",") for title, each in letters.items() if each == {"E"}} == {"errors:"}
    assert letters["warnings"] == {"W"} and [each for each in letters.values() if len(each) > 1] == []
