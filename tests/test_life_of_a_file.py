"""Update, merge and diff of vector files, through the library and the command."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charvec
from charvec import cli
from charvec.errors import CharvecError
from charvec.merging import mixed_spaces
from charvec.plumbing.arrays import layout
from charvec.plumbing.arrays.layout import MAX_SOURCES
from charvec.provenance import parts_of
from charvec.status import Status
from tests.vector_samples import assert_same, build, small

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ROOT / "samples" / "texts"
MODEL = ROOT / "samples" / "tiny-bert-zh"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


def dumped(path: Path, *names: str, **options: Any) -> Path:
    """A vector file of some sample texts."""
    charvec.dump([TEXTS / name for name in names], model=MODEL, out=path, **options)
    return path


# -- update


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("suffix", [".h5", ".npz", ".safetensors"])
def test_an_updated_file_is_what_one_dump_writes(tmp_path: Path, run: Run, dtype: str, suffix: str) -> None:
    """To the last byte, whatever the format, element type and order."""
    whole = dumped(tmp_path / f"whole{suffix}", "simplified.txt", "korean.txt", "japanese.txt", dtype=dtype)
    file = dumped(tmp_path / f"file{suffix}", "japanese.txt", dtype=dtype)
    code, out, _ = run("update", file, TEXTS / "simplified.txt", TEXTS / "korean.txt")
    assert code == 0 and "new" in out
    assert file.read_bytes() == whole.read_bytes()


def test_an_update_into_another_file(tmp_path: Path, run: Run) -> None:
    """The old file stays as it is; nothing is replaced without being asked."""
    file = dumped(tmp_path / "a.h5", "korean.txt")
    before = file.read_bytes()
    assert run("update", file, TEXTS / "japanese.txt", "-o", tmp_path / "b.h5", "-q")[:2] == (0, "")
    assert file.read_bytes() == before
    assert charvec.load(tmp_path / "b.h5")["日"] is not None
    code, _, err = run("update", file, TEXTS / "japanese.txt", "-o", tmp_path / "b.h5")
    assert code == 73 and "E-OUTPUT-EXISTS" in err
    code, _, err = run("update", file, TEXTS / "japanese.txt", "-o", file, "-f")
    assert code == 73 and "E-OUTPUT-IS-INPUT" in err


def test_an_update_says_what_came(tmp_path: Path, run: Run) -> None:
    """As a table and as JSON; nothing new is no error."""
    file = dumped(tmp_path / "a.h5", "korean.txt")
    code, out, _ = run("update", file, TEXTS / "korean.txt", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["came"] == [] and answer["went"] == [] and answer["changed"] == []
    assert all(entry["after"] == 2 * entry["before"] for entry in answer["counts"])


def test_an_update_from_another_model_is_refused(tmp_path: Path, run: Run) -> None:
    """The rows would lie in another space."""
    from tests.test_vector_commands import make_model

    file = dumped(tmp_path / "a.h5", "korean.txt")
    before = file.read_bytes()
    other = make_model(tmp_path / "other", columns=128)
    code, _, err = run("update", file, TEXTS / "japanese.txt", "-m", other)
    assert code == 65 and "E-OTHER-MODEL" in err and "checkpoint" in err
    assert file.read_bytes() == before


@pytest.mark.parametrize("suffix", [".txt", ".pkl"])
def test_files_without_provenance_are_not_updated(tmp_path: Path, run: Run, suffix: str) -> None:
    """Nobody knows what they were made from."""
    file = dumped(tmp_path / f"a{suffix}", "korean.txt")
    code, _, err = run("update", file, TEXTS / "japanese.txt")
    assert code == 65 and "E-OTHER-MODEL" in err


def test_a_changed_vector_is_not_lost(tmp_path: Path) -> None:
    """Vectors that someone changed are named, not overwritten."""
    vectors = charvec.load(dumped(tmp_path / "a.h5", "korean.txt"))
    stored = vectors.stored.copy()
    stored[3, 5] += 1
    changed = replace(vectors, stored=stored)
    with pytest.raises(CharvecError) as caught:
        charvec.update(changed, charvec.scan(TEXTS / "japanese.txt"), charvec.open(MODEL))
    assert caught.value.code == "E-CHANGED"
    assert f"U+{vectors.codepoints[3]:04X}" in str(caught.value.found)


@pytest.mark.parametrize("options", [{"only": "han"}, {"top": 5}, {"min_count": 2}])
def test_a_selection_cannot_be_updated(tmp_path: Path, options: dict[str, Any]) -> None:
    """What was left out was not counted one by one."""
    vectors = charvec.dump(TEXTS / "simplified.txt", model=MODEL, **options)
    with pytest.raises(CharvecError) as caught:
        charvec.update(vectors, charvec.scan(TEXTS / "japanese.txt"), charvec.open(MODEL))
    assert caught.value.code == "E-UPDATE"


def test_normalised_and_plain_counts_are_not_added(tmp_path: Path) -> None:
    """They count different characters."""
    vectors = charvec.dump(TEXTS / "simplified.txt", model=MODEL, normalize="NFKC")
    with pytest.raises(CharvecError) as caught:
        charvec.update(vectors, charvec.scan(TEXTS / "japanese.txt"), charvec.open(MODEL))
    assert caught.value.code == "E-UPDATE"
    charvec.update(vectors, charvec.scan(TEXTS / "japanese.txt", normalize="NFKC"), charvec.open(MODEL))


# -- merge


def test_first_takes_each_character_from_the_first_that_has_it() -> None:
    """Bit for bit, with counts, statuses, rows and the source of each."""
    one = build("abd", np.arange(6, dtype=np.float32).reshape(3, 2))
    two = build("bce", -np.arange(6, dtype=np.float32).reshape(3, 2))
    both = charvec.merge([one, two])
    assert both.chars == list("abcde")
    assert both.matrix.tolist() == [[0, 1], [2, 3], [-2, -3], [4, 5], [-4, -5]]
    assert both.sources is not None and both.sources.tolist() == [1, 1, 2, 1, 2]
    assert both.counts.tolist() == [1, 1, 1, 1, 1]
    assert both.rows == [(0,), (1,), (1,), (2,), (2,)]
    assert charvec.merge([one, two], counts="sum").counts.tolist() == [1, 2, 1, 1, 1]
    assert [note.code for note in mixed_spaces(both)] == ["W-MIXED-SPACES"]


def test_side_by_side() -> None:
    """Zeros, or nothing at all, where a part lacks the character."""
    one = build("ab", np.arange(1, 5, dtype=np.float32).reshape(2, 2))
    two = build("bc", np.arange(5, 11, dtype=np.float32).reshape(2, 3))
    both = charvec.merge([one, two], how="concat")
    assert both.matrix.tolist() == [[1, 2, 0, 0, 0], [3, 4, 5, 6, 7], [0, 0, 8, 9, 10]]
    assert both.sources is not None and both.sources.tolist() == [1, 3, 2]
    assert not mixed_spaces(both)
    dropped = charvec.merge([one, two], how="concat", missing="drop")
    assert dropped.chars == ["b"]
    assert [(entry.char, entry.count) for entry in dropped.missing] == [("a", 1), ("c", 1)]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_parts_of_one_model_over_different_samples(tmp_path: Path, run: Run, dtype: str) -> None:
    """Merged they are what one dump gives, but for the provenance."""
    files = [dumped(tmp_path / f"{name}.h5", f"{name}.txt", dtype=dtype) for name in ("korean", "japanese", "mixed")]
    code, out, err = run("merge", *files, "-o", tmp_path / "all.h5")
    assert code == 0 and err == ""
    assert "korean.h5" in out
    merged = charvec.load(tmp_path / "all.h5")
    whole = charvec.dump([TEXTS / f"{name}.txt" for name in ("korean", "japanese", "mixed")], model=MODEL, dtype=dtype)
    for name in ("codepoints", "stored", "counts", "missing_codepoints", "missing_counts"):
        assert np.array_equal(getattr(merged, name), getattr(whole, name)), name
    assert merged.rows == whole.rows
    assert not charvec.diff(merged, whole)
    code, out, _ = run("verify", tmp_path / "all.h5", "--against", MODEL)
    assert code == 0 and out.count("source ") == 3


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("how", ["first", "concat"])
def test_every_source_is_proven_against_its_own_model(tmp_path: Path, run: Run, how: str, dtype: str) -> None:
    """A changed row is found; a source without its model is not proven."""
    from tests.test_vector_commands import make_model

    other = make_model(tmp_path / "other", columns=128)
    charvec.lookup(charvec.open(other, lowercase=True), "a가水", dtype=dtype).save(tmp_path / "b.h5")
    dumped(tmp_path / "a.h5", "simplified.txt", dtype=dtype)
    assert run("merge", tmp_path / "a.h5", tmp_path / "b.h5", "-o", tmp_path / "c.h5", "--how", how)[0] == 0
    code, out, err = run("verify", tmp_path / "c.h5", "--against", MODEL, "--against", other)
    assert (code, err) == (0, ""), err
    assert out.count("source ") == 2
    # both have one name; what else tells them apart is said
    lines = [line for line in run("info", tmp_path / "c.h5")[1].splitlines() if line.startswith("source ")]
    assert "model.safetensors (2.8 MiB), 8128 x 128" in lines[0] and "x 128, 128 dimensions" in lines[1]
    assert lines[0].split()[2:] != lines[1].split()[2:]
    code, _, err = run("verify", tmp_path / "c.h5", "--against", MODEL)
    assert code == 1 and "source 2" in err and "not proven" in err
    code, out, err = run("verify", tmp_path / "c.h5", "--against", MODEL, "--json")
    first, second = json.loads(out)["compared"]
    assert (code, err) == (1, "") and (first["source"], first["against"], first["proven"]) == (1, str(MODEL), True)
    assert (second["source"], second["against"], second["proven"]) == (2, None, False)
    merged = charvec.load(tmp_path / "c.h5")
    stored = merged.stored.copy()
    stored[merged.chars.index("가"), -1] += 1
    replace(merged, stored=stored).save(tmp_path / "d.h5")
    code, _, err = run("verify", tmp_path / "d.h5", "--against", MODEL, "--against", other)
    assert code == 1 and "U+AC00" in err and "source 2" in err


def test_merging_again_keeps_every_source(tmp_path: Path) -> None:
    """Three files merged at once or one after the other are the same."""
    parts = [build(text, np.full((len(text), 2), place, np.float32)) for place, text in enumerate(("ab", "bcd", "aef"))]
    once = charvec.merge(parts, counts="max")
    twice = charvec.merge([charvec.merge(parts[:2]), parts[2]], counts="max")
    assert_same(once, twice)
    assert once.sources is not None and twice.sources is not None
    assert once.sources.tolist() == twice.sources.tolist()
    for suffix in (".h5", ".npz", ".safetensors"):
        path = tmp_path / f"m{suffix}"
        once.save(path)
        again = charvec.load(path)
        assert again.sources is not None and again.sources.tolist() == once.sources.tolist()
        assert_same(again, once)
    assert [part.chars for part in parts_of(once)] == [["a", "b"], ["c", "d"], ["e", "f"]]


def test_random_merges() -> None:
    """Against a plain dictionary."""
    generator = random.Random(7)
    for _ in range(60):
        parts, plain = [], {}
        for number in range(generator.randrange(1, 5)):
            chars = sorted(generator.sample("abcdefghij", generator.randrange(0, 8)))
            rows = np.random.default_rng(number).standard_normal((len(chars), 3)).astype(np.float32)
            parts.append(build(chars, rows))
            for char, row in zip(chars, rows, strict=True):
                plain.setdefault(char, row)
        merged = charvec.merge(parts)
        assert merged.chars == sorted(plain)
        assert all(np.array_equal(merged[char], row) for char, row in plain.items())


def test_parts_that_come_one_by_one() -> None:
    """A generator of parts is as good as a list; one that gives nothing is refused as an empty list is."""
    parts = [small(), build("水火", np.ones((2, small().dim), np.float32))]
    assert_same(charvec.merge(part for part in parts), charvec.merge(parts))
    with pytest.raises(CharvecError) as caught:
        charvec.merge(part for part in parts if not len(part))
    assert caught.value.code == "E-ARGUMENT"


def test_what_cannot_be_merged() -> None:
    """Different dimensions, changed copies of one model's rows, too many, and words that mean nothing."""
    flat = build("a", np.zeros((1, 2), np.float32))
    deep = build("a", np.zeros((1, 3), np.float32))
    mine = small()
    changed = replace(mine, stored=mine.stored + np.float32(1))
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ([flat, deep], {}, "E-DIM"),
        ([mine, changed], {}, "E-CONFLICT"),
        ([charvec.merge([flat, flat]), deep], {"how": "concat"}, "E-DIM"),
        ([flat] * (MAX_SOURCES + 1), {}, "E-ARGUMENT"),
        ([], {}, "E-ARGUMENT"),
        ([{"a": 1}], {}, "E-ARGUMENT"),
        ([flat], {"how": "mean"}, "E-ARGUMENT"),
        ([flat], {"counts": "mean"}, "E-ARGUMENT"),
        ([flat], {"missing": "mean"}, "E-ARGUMENT"),
        ([flat], {"dtype": "int4"}, "E-DTYPE"),
    ]
    for parts, options, code in cases:
        with pytest.raises(CharvecError) as caught:
            charvec.merge(parts, **options)
        assert caught.value.code == code


def test_hostile_sources(tmp_path: Path) -> None:
    """The list of sources and the column are believed in nothing."""
    from charvec.plumbing.arrays.layout import from_columns, to_columns

    merged = charvec.merge([small(), build("z", np.zeros((1, 4), np.float32))])
    good = to_columns(merged)
    from_columns(good, "x")
    for name, column in {
        "none": np.zeros(len(merged), np.uint16),
        "beyond": np.full(len(merged), 4, np.uint16),
        "short": np.ones(len(merged) - 1, np.uint16),
        "wide": np.ones(len(merged), np.uint32),
    }.items():
        with pytest.raises(CharvecError):
            from_columns({**good, "sources": column}, name)
    with pytest.raises(CharvecError):
        from_columns({key: column for key, column in good.items() if key != "sources"}, "absent")
    meta = json.loads(good["meta"].tobytes())
    for change in (
        {"sources": []},
        {"sources": [{}] * 2},
        {"sources": {}},
        {"sources": [{"dim": 4, "sources": []}] * 2},
        {"merged": None},
        {"merged": {"how": "mean"}},
        {"sources": [{"dim": 4, "source": 5}] * 2},
    ):
        spoiled = np.frombuffer(json.dumps({**meta, **change}).encode(), np.uint8)
        with pytest.raises(CharvecError) as caught:
            from_columns({**good, "meta": spoiled}, "x")
        assert caught.value.exit_code == 65


# -- diff


def test_nothing_differs(tmp_path: Path, run: Run) -> None:
    """Also between formats that keep less."""
    file = dumped(tmp_path / "a.h5", "korean.txt")
    run("convert", file, tmp_path / "a.pkl")
    for other in (file, tmp_path / "a.pkl"):
        code, out, err = run("diff", file, other)
        assert (code, err) == (0, "")
        assert "0 characters" in out and "option" not in out


def test_came_went_changed(tmp_path: Path, run: Run) -> None:
    """Each is named with its code point, changes with their size."""
    one = build("abc", np.array([[1, 0], [0, 1], [3, 4]], np.float32))
    two = build("bcd", np.array([[0, 1], [3, 4.5], [9, 9]], np.float32))
    one.save(tmp_path / "a.h5")
    two.save(tmp_path / "b.h5")
    difference = charvec.diff(one, two)
    assert (difference.came, difference.went, difference.equal) == (("d",), ("a",), 1)
    (change,) = difference.changed
    assert change.char == "c" and change.largest == 0.5
    assert change.cosine == pytest.approx(27 / 5 / np.hypot(3, 4.5))
    code, out, _ = run("diff", tmp_path / "a.h5", tmp_path / "b.h5")
    assert code == 1
    assert "d U+0064" in out and "a U+0061" in out and "c U+0063" in out and "0.5" in out
    answer = json.loads(run("diff", tmp_path / "a.h5", tmp_path / "b.h5", "--json")[1])
    assert answer["different"] and answer["changed"][0]["codepoint"] == "U+0063"
    assert run("diff", tmp_path / "a.h5", tmp_path / "b.h5", "-q")[1] == ""


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_only_rounding(tmp_path: Path, dtype: str) -> None:
    """A file made smaller differs in nothing else."""
    wide = charvec.dump(TEXTS / "korean.txt", model=MODEL)
    # rows of a float16 checkpoint do not change by becoming float16
    wide = replace(wide, stored=wide.stored * np.float32(1.1))
    narrow = wide.astype(dtype)
    difference = charvec.diff(wide, narrow)
    assert difference.rounding and difference.changed
    assert charvec.diff(narrow, wide).rounding
    stored = narrow.stored.copy()
    stored[0, 0] += 1
    assert not charvec.diff(wide, replace(narrow, stored=stored)).rounding


def test_differences_of_status_rows_counts_and_model() -> None:
    """Also where the vectors are equal; rows only within one model."""
    one = small()
    spelling = one.spelling.take(np.ones(6, bool))
    spelling.status[1] = Status.EXACT
    source = {**one.source, "options": {**one.source["options"], "keep": ["exact"]}}
    difference = charvec.diff(one, replace(one, spelling=spelling, counts=one.counts + np.uint64(1), source=source))
    (change,) = difference.changed
    assert change.status == (Status.NORMALIZED, Status.EXACT) and change.largest == 0
    assert len(difference.counts) == 6
    assert list(difference.options) == ["keep"]
    rows = one.spelling.row_ids.copy()
    rows[0] = 55
    moved = replace(one, spelling=type(one.spelling)(one.status, rows, one.spelling.row_offsets))
    (change,) = charvec.diff(one, moved).changed
    assert change.rows == ((5,), (55,))
    source = {**one.source, "vocabulary": {**one.source["vocabulary"], "blake2b": "33" * 32}}
    strange = replace(moved, source=source)
    difference = charvec.diff(one, strange)
    assert difference.origin == ("vocabulary",) and not difference.changed


def test_different_dimensions_and_values_that_are_not_finite(tmp_path: Path, run: Run) -> None:
    """Said, and never a traceback."""
    one = build("ab", np.array([[np.nan, 0], [np.inf, 1]], np.float32))
    two = build("ab", np.array([[0, 0], [-np.inf, 1]], np.float32))
    three = build("ab", np.zeros((2, 3), np.float32))
    for vectors, name in ((one, "1.h5"), (two, "2.h5"), (three, "3.h5")):
        vectors.save(tmp_path / name)
    assert not charvec.diff(one, one)
    for name in ("2.h5", "3.h5"):
        code, out, err = run("diff", tmp_path / "1.h5", tmp_path / name)
        assert code == 1 and err.count("\n") <= 1
    assert "2 -> 3; such vectors cannot be compared" in out and "in both     2 characters" in out
    assert "nan" not in out and "changed" not in out
    difference = charvec.diff(one, three)
    assert difference and difference.common == 2 and difference.equal == 0 and difference.changed == ()
    json.loads(run("diff", tmp_path / "1.h5", tmp_path / "3.h5", "--json")[1])


# -- provenance that lies


def inner(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way for key, each in items for way in ((*path, key), *inner(each, (*path, key)))]


#: Keys that only some files have.
RARE = [
    *(("fidelity",), ("made_from",), ("converted",), ("sources",), ("merged",), ("options", "rounded_to")),
    *(("samples", "settings"), ("samples", "left_out"), ("source", "space"), ("source", "model_goes_on_with")),
]
STRANGE = [None, True, 0, -1, 1.5, "", "x", [], {}, [1], ["x"], {"a": 1}, 10**15]


@pytest.mark.parametrize("merged", [False, True])
def test_no_meta_is_a_bug(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, merged: bool) -> None:
    """Whatever a sound file says of where it comes from, it is taken or refused."""
    file, good, text = tmp_path / "f.h5", dumped(tmp_path / "good.h5", "korean.txt"), tmp_path / "t.txt"
    text.write_text("日本語 abc “我”", "utf-8")
    vectors = charvec.load(good)
    if merged:
        vectors = charvec.merge([vectors, charvec.dump(text, model=MODEL)])
    commands: list[tuple[str | Path, ...]] = [
        ("update", file, text, "-o", tmp_path / "o.h5", "-f"),
        *(("info", file), ("verify", file, "--against", MODEL), ("diff", file, good), ("diff", good, file, "--json")),
        ("merge", file, good, "-o", tmp_path / "o.h5", "-f"),
        *(("coverage", text, "-m", file), ("dump", text, "-m", file, "-o", tmp_path / "o.h5", "-f")),
        ("convert", file, tmp_path / "o.npz", "-f", "--dtype", "float16"),
        ("convert", file, tmp_path / "o.npz", "-f", "--top", "1"),
    ]
    generator = random.Random(4)
    known = inner(json.loads(json.dumps(vectors.source)))
    outcomes: dict[str, int] = {"refused": 0, "taken": 0}
    for way in [*known, *RARE]:
        for strange in ("drop", generator.choice(STRANGE)):
            source = json.loads(json.dumps(vectors.source))
            place = source
            for key in way[:-1]:
                place = place[key] if isinstance(place, list) or key in place else place.setdefault(key, {})
            if strange != "drop":
                place[way[-1]] = strange
            elif way in known:
                del place[way[-1]]
            with monkeypatch.context() as patch:
                patch.setattr(layout, "_meta_problem", lambda meta: None)
                patch.setattr(layout, "_said_and_there", lambda meta, columns: None)
                replace(vectors, source=source).save(file, overwrite=True)
            try:
                charvec.load(file)
            except CharvecError as error:
                assert error.code in ("E-META", "E-COUNT", "E-NOT-CHARVEC"), (way, strange)
                outcomes["refused"] += 1
                continue
            outcomes["taken"] += 1
            for command in generator.sample(commands, 1):
                code, _, err = run(*command)
                assert code != 70, (way, strange, command[0], err)
    assert min(outcomes.values()) > 20, outcomes


@pytest.mark.parametrize(
    ("section", "changed"),
    [
        ("options", {}),
        ("options", {"keep": {"exact": 1}}),
        ("samples", {"bad_bytes": "1"}),
        ("samples", {"skipped": None}),
        ("samples", {"settings": []}),
    ],
)
def test_an_update_of_a_file_whose_meta_is_wrong(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, section: str, changed: dict[str, Any]
) -> None:
    """Said as damage of the file."""
    vectors = charvec.load(dumped(tmp_path / "a.h5", "korean.txt"))
    before = vectors.source[section] if changed else {}
    source = {**vectors.source, section: {**before, **changed}}
    with monkeypatch.context() as patch:
        patch.setattr(layout, "_meta_problem", lambda meta: None)
        replace(vectors, source=source).save(tmp_path / "b.h5")
    code, _, err = run("update", tmp_path / "b.h5", TEXTS / "japanese.txt")
    assert code == 65 and "E-META" in err and section in err
