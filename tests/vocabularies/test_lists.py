"""Lists of pieces: with ids, plain, and as JSON; ERNIE's held against the `tokenizers` library."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

import charvec
from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.status import Status
from charvec.vocabulary import Vocabulary

DATA = Path(__file__).resolve().parents[1] / "data" / "vocabularies"
ERNIE = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "vocab_ernie"
needs_ernie = pytest.mark.skipif(not ERNIE.exists(), reason="needs the vocabularies of ERNIE")


def spelt(vocabulary: Vocabulary, text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Label and rows of each character."""
    spelling = vocabulary.spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(status).label, spelling.ids(place)) for place, status in enumerate(spelling.status)]


def sniffed(path: Path) -> list[str]:
    """Who takes the file for theirs."""
    with File(path) as file:
        return [member.NAME for member in vocabularies.members() if member.sniff(file)]


def write(folder: Path, data: str | bytes, name: str = "list") -> Path:
    """A file of that content."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@needs_ernie
@pytest.mark.parametrize(("name", "size"), [("ernie1_vocab.txt", 17964), ("ernie3_vocab.txt", 39980)])
def test_ernie_is_a_wordpiece(name: str, size: int) -> None:
    """Every character as `tokenizers` spells it with the same pieces and ids."""
    assert sniffed(ERNIE / name) == ["numbered"]
    vocabulary = vocabularies.read(ERNIE / name)
    assert (vocabulary.kind, vocabulary.size) == ("wordpiece", size)
    lines = (line.split("\t") for line in (ERNIE / name).read_text("utf-8").split("\n") if line)
    pieces = {piece: int(row) for piece, row in lines}
    tokenizer = Tokenizer(WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=bool(vocabulary.settings["lowercase"]))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    probes = [*range(1, 0x3100), *range(0x4E00, 0x9FFF, 7), *range(0xAC00, 0xAD00), *range(0xFF00, 0xFFF0), 0x1F602]
    spelling = vocabulary.spell(np.array(probes, np.uint32))
    for place, codepoint in enumerate(probes):
        ids = tuple(tokenizer.encode(chr(codepoint)).ids)
        unknown = not ids or pieces["[UNK]"] in ids
        assert unknown == (spelling.status[place] >= Status.UNREACHABLE)
        if not unknown:
            assert spelling.ids(place) == ids


@needs_ernie
def test_of_a_piece_that_stands_twice_the_last_id_counts() -> None:
    """ERNIE 3 has the dollar sign twice, and its own loader keeps the second."""
    vocabulary = vocabularies.read(ERNIE / "ernie3_vocab.txt")
    assert spelt(vocabulary, "$我") == [("exact", (18005,)), ("exact", (75,))] or spelt(vocabulary, "$")[0][1] == (
        18005,
    )
    (note,) = [note for note in vocabulary.notes if note.code.startswith("W-")]
    assert note.code == "W-VOCAB-DUP" and "'$' at 12084 and 18005" in note.message


def test_golden_lists() -> None:
    """The ids that pandas and tokenizers were given."""
    texts = [(DATA / "numbered" / name).read_text("utf-8") for name in ("piece_id.tsv", "id_piece.tsv")]
    forward = dict(line.split("\t") for line in texts[0].split("\n") if line)
    backward = {piece: row for row, piece in (line.split("\t") for line in texts[1].split("\n") if line)}
    for folder, name, rows in (
        ("numbered", "piece_id.tsv", forward),
        ("numbered", "id_piece.tsv", backward),
        ("word-ids", "word2id.json", forward),
        ("word-list", "words.txt", forward),
    ):
        vocabulary = vocabularies.read(DATA / folder / name)
        assert (vocabulary.kind, vocabulary.size, vocabulary.notes) == ("dictionary", len(rows), ())
        single = [piece for piece in rows if len(piece) == 1]
        assert spelt(vocabulary, "".join(single)) == [("exact", (int(rows[piece]),)) for piece in single]
        assert spelt(vocabulary, "龘 ") == [("unknown", ()), ("unknown", ())]
    ernie = vocabularies.read(DATA / "numbered" / "ernie.txt")
    assert ernie.kind == "wordpiece" and ernie.settings["lowercase"] is False
    rows = dict(line.split("\t") for line in (DATA / "numbered" / "ernie.txt").read_text("utf-8").split("\n") if line)
    assert spelt(ernie, "的\u3000") == [("exact", (int(rows["的"]),)), ("unreachable", (int(rows["\u3000"]),))]


@pytest.mark.parametrize(
    ("data", "kind", "rows"),
    [
        ("我\t5\n你\t3\n", "numbered", {"我": 5, "你": 3}),
        ("5\t我\n3\t你\n", "numbered", {"我": 5, "你": 3}),
        ("\ufeff我\t0\r\n你\t1\r\n", "numbered", {"我": 0, "你": 1}),
        ("0\t1\n1\t0\n", "numbered", {"0": 1, "1": 0}),
        ("\t\t0\n我\t1\n\u2028\t2\n", "numbered", {"\t": 0, "我": 1, "\u2028": 2}),
        ("我\n你\n\n的", "word-list", {"我": 0, "你": 1, "的": 3}),
        ("\ufeff我\r\n \r\n\t\r\n的\r\n", "word-list", {"我": 0, " ": 1, "\t": 2, "的": 3}),
        ('{\n[\n"\n<\n我\n', "word-list", {"{": 0, "[": 1, '"': 2, "<": 3, "我": 4}),
        ("\u3000\n\u2028\n\u0085\n我\n", "word-list", {"\u3000": 0, "\u2028": 1, "\u0085": 2, "我": 3}),
        ("1\n2\n3\n", "word-list", {"1": 0, "2": 1, "3": 2}),
        ('{"我": 7, "\\u4f60": 2, "\\"": 0, "a b": 1}', "word-ids", {"我": 7, "你": 2, '"': 0}),
        ('\ufeff{\n  "我" : 1\n}', "word-ids", {"我": 1}),
    ],
)
def test_lists_as_they_are_found(data: str, kind: str, rows: dict[str, int], tmp_path: Path) -> None:
    """Byte order marks, line ends, and pieces that look like separators or brackets."""
    path = write(tmp_path, data)
    assert sniffed(path) == [kind]
    vocabulary = vocabularies.read(path)
    assert spelt(vocabulary, "".join(rows)) == [("exact", (row,)) for row in rows.values()]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("的\t99876\n一\t45321\n是\t45321\n", "E-VOCAB-ENTRY"),
        ("的\t5000\n一\t500\n是\t5000\n", "E-VOCAB-ENTRY"),
        ("我\t0\n你\t1\nx\n", "E-VOCAB-ENTRY"),
        ("我\t0\n你\t1\nx\t-1\n", "E-VOCAB-ENTRY"),
        ("我\t0\n你\t1\nx\t1.5\n", "E-VOCAB-ENTRY"),
        (b"\xe6\x88\x91\t0\n\xff\t1\n", "E-VOCAB-ENCODING"),
        ('{"a": -1}', "E-VOCAB-ENTRY"),
        ('{"a": 1.0}', "E-VOCAB-ENTRY"),
        ('{"a": 0, "b": true}', "E-VOCAB-ENTRY"),
        ('{"a": 0, "b": NaN}', "E-VOCAB-ENTRY"),
        ('{"a": 0, "b": %s}' % ("9" * 5000), "E-VOCAB-ENTRY"),
        ('{"a": 0, "b": [1]}', "E-VOCAB-ENTRY"),
        ('{"a": 0, "a": 1}', "E-JSON-DUPKEY"),
        ('{"a": 0, "b"', "E-TRUNCATED"),
        ('{"code": 404, "message": "Not Found"}', "E-VOCAB-ENTRY"),
        ('{"!": 0, "\\u0120the": 1}', "E-VOCAB-ROWS"),
        ("the quick brown fox\njumps\n", "E-FORMAT"),
        ("x" * 101 + "\n", "E-FORMAT"),
        ("a\0b\n", "E-FORMAT"),
        ("▁the\t-3.2\n▁of\t-3.4\n", "E-FORMAT"),
        ("的 123\n一 45\n", "E-FORMAT"),
        ("\n\n\n", "E-FORMAT"),
        (b"\xce\xd2\n\xc4\xe3\n", "E-FORMAT"),
    ],
)
def test_what_is_no_list_of_pieces(data: str | bytes, code: str, tmp_path: Path) -> None:
    """Counts, other programs' vocabularies, texts, and damage."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, data))
    assert (caught.value.code, caught.value.exit_code) == (code, 65)


def test_two_pieces_with_one_id(tmp_path: Path) -> None:
    """Both have the row, and it is told."""
    vocabulary = vocabularies.read(write(tmp_path, '{"a": 0, "b": 0}'))
    assert spelt(vocabulary, "ab") == [("exact", (0,)), ("exact", (0,))]
    assert [note.code for note in vocabulary.notes] == ["W-VOCAB-DUP"]


def test_casing_is_a_matter_of_wordpiece(tmp_path: Path) -> None:
    """A dictionary has no such choice; a list with BERT's special tokens has."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, "a\t0\nb\t1\n"), lowercase=True)
    assert (caught.value.code, caught.value.exit_code) == ("E-CASING", 2)
    path = write(tmp_path, "[UNK]\t0\nA\t1\na\t2\n")
    assert spelt(vocabularies.read(path, lowercase=True), "A") == [("normalized", (2,))]
    assert spelt(vocabularies.read(path), "A") == [("exact", (1,))]


def test_an_id_beyond_the_matrix(tmp_path: Path) -> None:
    """That piece has no row; a list with more pieces than rows belongs to another matrix."""
    np.save(tmp_path / "vectors.npy", np.arange(8, dtype=np.float32).reshape(4, 2))
    write(tmp_path, "我\t0\n你\t1\n的\t9\n", "word2id.txt")
    vectors = charvec.lookup(charvec.open(tmp_path, vocab=tmp_path / "word2id.txt"), "我你的")
    assert vectors.chars == ["你", "我"] and vectors["你"].tolist() == [2, 3]
    assert [(entry.char, entry.status, entry.rows) for entry in vectors.missing] == [("的", Status.NO_ROW, (9,))]
    write(tmp_path, "我\n你\n的\n水\n火\n", "words.txt")
    with pytest.raises(CharvecError) as caught:
        charvec.open(tmp_path, vocab=tmp_path / "words.txt")
    assert caught.value.code == "E-VOCAB-ROWS"


def test_the_layout_of_opennre(tmp_path: Path) -> None:
    """A matrix and ``word2id.json`` in one folder."""
    np.save(tmp_path / "vec.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    write(tmp_path, json.dumps({"[UNK]": 1, "我": 0, "[PAD]": 2}), "word2id.json")
    assert charvec.lookup(charvec.open(tmp_path), "我")["我"].tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(60))
def test_generated_lists(seed: int, tmp_path: Path) -> None:
    """Whatever the pieces, every character has the last id that the list gives it."""
    generator = random.Random(seed)
    alphabet = "我你的中水abAZ，。\u00a0\u3000\u2028\u2029\u0085😂𠀀\u0301é{}[]\"'#<>"
    pieces = ["".join(generator.choices(alphabet, k=generator.choice((1, 1, 2, 4)))) for _ in range(30)]
    ids = generator.sample(range(60), 30)
    if generator.random() < 0.7:
        pieces, ids = list(dict.fromkeys(pieces)), ids[: len(dict.fromkeys(pieces))]
    end = generator.choice(("\n", "\r\n"))
    kind = generator.choice(("piece-id", "id-piece", "json", "list"))
    if kind == "json":
        text = json.dumps(dict(zip(pieces, ids, strict=True)), ensure_ascii=generator.random() < 0.5)
    elif kind == "list":
        text, ids = end.join(pieces) + generator.choice(("", end)), list(range(len(pieces)))
    else:
        pairs = ((piece, row) if kind == "piece-id" else (row, piece) for piece, row in zip(pieces, ids, strict=True))
        text = end.join(f"{one}\t{two}" for one, two in pairs) + end
    path = write(tmp_path, text)
    assert len(sniffed(path)) == 1
    rows = dict(zip(pieces, ids, strict=True))
    single = [piece for piece in rows if len(piece) == 1]
    assert spelt(vocabularies.read(path), "".join(single)) == [("exact", (rows[piece],)) for piece in single]
