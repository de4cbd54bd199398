"""Make ``charvec/plumbing/text/scripts.tsv`` from the Unicode Character Database.

::

    python tools/make_unicode_table.py /usr/share/unicode          # where Debian's package unicode-data puts the files
    python tools/make_unicode_table.py UCD -o /tmp/scripts.tsv     # a folder with the files of unicode.org/Public/UCD

Four files are read: ``PropertyValueAliases.txt`` (the names of scripts), ``Scripts.txt``, ``ScriptExtensions.txt`` and
``Blocks.txt``; UAX #44 says what they hold. All four must be of one version, which is written into the table. The same
files give the same bytes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

UNICODE_SIZE = 0x110000
TABLE = Path(__file__).resolve().parent.parent / "charvec" / "plumbing" / "text" / "scripts.tsv"
FILES = ("PropertyValueAliases.txt", "Scripts.txt", "ScriptExtensions.txt", "Blocks.txt")

# What UAX #24 and Blocks.txt say of code points that the files do not list.
NO_SCRIPT = "Unknown"
NO_BLOCK = "No_Block"

HEADER = """\
Script, Script_Extensions and Block of every Unicode code point, version {version}.
Made by tools/make_unicode_table.py from Scripts.txt, ScriptExtensions.txt, Blocks.txt and PropertyValueAliases.txt of
the Unicode Character Database, whose lines were merged and abbreviated. Do not edit; run the tool again.

names    ISO 15924 code, name
scripts  hexadecimal code point from which on, Script, then the other members of Script_Extensions if there are any
blocks   hexadecimal code point from which on, Block

The data are Unicode's, under this licence:

UNICODE LICENSE V3

COPYRIGHT AND PERMISSION NOTICE

Copyright © 1991-{year} Unicode, Inc.

NOTICE TO USER: Carefully read the following legal agreement. BY
DOWNLOADING, INSTALLING, COPYING OR OTHERWISE USING DATA FILES, AND/OR
SOFTWARE, YOU UNEQUIVOCALLY ACCEPT, AND AGREE TO BE BOUND BY, ALL OF THE
TERMS AND CONDITIONS OF THIS AGREEMENT. IF YOU DO NOT AGREE, DO NOT
DOWNLOAD, INSTALL, COPY, DISTRIBUTE OR USE THE DATA FILES OR SOFTWARE.

Permission is hereby granted, free of charge, to any person obtaining a
copy of data files and any associated documentation (the "Data Files") or
software and any associated documentation (the "Software") to deal in the
Data Files or Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, and/or sell
copies of the Data Files or Software, and to permit persons to whom the
Data Files or Software are furnished to do so, provided that either (a)
this copyright and permission notice appear with all copies of the Data
Files or Software, or (b) this copyright and permission notice appear in
associated Documentation.

THE DATA FILES AND SOFTWARE ARE PROVIDED "AS IS", WITHOUT WARRANTY OF ANY
KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT OF
THIRD PARTY RIGHTS.

IN NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED IN THIS NOTICE
BE LIABLE FOR ANY CLAIM, OR ANY SPECIAL INDIRECT OR CONSEQUENTIAL DAMAGES,
OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS,
WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION,
ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THE DATA
FILES OR SOFTWARE.

Except as contained in this notice, the name of a copyright holder shall
not be used in advertising or otherwise to promote the sale, use or other
dealings in these Data Files or Software without prior written
authorization of the copyright holder.
"""


def main(arguments: list[str] | None = None) -> int:
    """Read the folder that is named, write the table."""
    parser = argparse.ArgumentParser(description="Make charvec's table of scripts and blocks.")
    parser.add_argument("folder", type=Path, help="folder with the files of the Unicode Character Database")
    parser.add_argument("-o", "--output", type=Path, default=TABLE, help="file to write (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    text = make(chosen.folder)
    chosen.output.write_text(text, "utf-8", newline="\n")
    print(f"{chosen.output}: {len(text.encode()):,} bytes", file=sys.stderr)
    return 0


def make(folder: Path) -> str:
    """The text of the table.

    Raises:
        ValueError: when the files are of different versions, or do not fit each other.
    """
    version, year = edition(folder)
    names = script_names(folder)
    codes = {name: code for code, name in names.items()}
    scripts = [codes[NO_SCRIPT]] * UNICODE_SIZE
    for first, last, name in rows(folder / "Scripts.txt"):
        scripts[first : last + 1] = [codes[name]] * (last + 1 - first)
    extended = list(scripts)
    for first, last, members in rows(folder / "ScriptExtensions.txt"):
        for codepoint in range(first, last + 1):
            script = scripts[codepoint]
            extended[codepoint] = "\t".join((script, *sorted(set(members.split()) - {script})))
    blocks = [NO_BLOCK] * UNICODE_SIZE
    for first, last, name in rows(folder / "Blocks.txt"):
        blocks[first : last + 1] = [name] * (last + 1 - first)
    # Katakana_Or_Hiragana is a name without characters
    used = {code for value in set(extended) for code in value.split("\t")}
    sections = {
        "names": [f"{code}\t{name}" for code, name in sorted(names.items(), key=lambda item: item[1]) if code in used],
        "scripts": [f"{first:X}\t{value}" for first, value in starts(extended)],
        "blocks": [f"{first:X}\t{value}" for first, value in starts(blocks)],
    }
    if used - names.keys() or len(used) > 256:
        raise ValueError("the scripts do not fit their names, or a byte")
    header = HEADER.format(version=version, year=year)
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    lines.append(f"version\t{version}")
    for section, entries in sections.items():
        lines += [f"[{section}]", *entries]
    return "\n".join(lines) + "\n"


def edition(folder: Path) -> tuple[str, str]:
    """Version of the files, and the year of their copyright."""
    found = set()
    for name in FILES:
        head = (folder / name).read_text("utf-8")[:400]
        version = re.search(rf"{Path(name).stem}-(\d+\.\d+\.\d+)\.txt", head)
        year = re.search(r"© (\d{4}) Unicode", head)
        if not version or not year:
            raise ValueError(f"{name} does not say its version and year")
        found.add((version[1], year[1]))
    if len(found) != 1:
        raise ValueError(f"the files are of different versions: {sorted(found)}")
    return found.pop()


def script_names(folder: Path) -> dict[str, str]:
    """ISO 15924 code -> name, as in ``sc ; Hira ; Hiragana``."""
    fields = (line.split("#")[0].split(";") for line in (folder / FILES[0]).read_text("utf-8").splitlines())
    return {each[1].strip(): each[2].strip() for each in fields if each[0].strip() == "sc"}


def rows(path: Path) -> Iterator[tuple[int, int, str]]:
    """First and last code point and the value of each line such as ``3041..3096 ; Hiragana # Lo [86] ...``."""
    for line in path.read_text("utf-8").splitlines():
        content = line.split("#")[0]
        if content.strip():
            codepoints, value = (each.strip() for each in content.split(";"))
            first, _, last = codepoints.partition("..")
            yield int(first, 16), int(last or first, 16), value


def starts(values: list[str]) -> Iterator[tuple[int, str]]:
    """Where each run of equal values begins."""
    before = None
    for codepoint, value in enumerate(values):
        if value != before:
            yield codepoint, value
            before = value


if __name__ == "__main__":
    sys.exit(main())
