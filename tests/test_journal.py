"""``--resume``: what is finished is kept, whatever happens, and never counted twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from damaging import overwrite

import charvec
from charvec import batches, scanning, sharing
from charvec.batches import Part
from charvec.cli import main
from charvec.counts import Counts
from charvec.errors import CharvecError, DamagedFile, InputError, PermissionDenied, UsageError
from charvec.journal import Journal
from charvec.reading import Options


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve files, one damaged, one not UTF-8, counted three at a time."""
    monkeypatch.setattr(sharing, "BATCH_FILES", 3)
    root = tmp_path / "corpus"
    root.mkdir()
    for number in range(10):
        (root / f"{number}.txt").write_text(f"{number}水木\n" * number, encoding="utf-8")
    (root / "bad.txt").write_bytes("水".encode() + b"\xff" + "木".encode())
    (root / "gbk.txt").write_bytes("你好世界".encode("gbk"))
    return root


def interrupt_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """The given number of batches is counted, then the user presses Ctrl-C."""
    real, done = batches.count_batch, []

    def count_batch(batch: object, progressed: object) -> Part:
        if len(done) == calls:
            raise KeyboardInterrupt
        done.append(batch)
        return real(batch, progressed)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "count_batch", count_batch)


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4])
def test_interrupted_and_resumed(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Wherever it was interrupted: the same counts and the same notes as in one go, and no file read twice."""
    whole = charvec.scan(corpus)
    journal = tmp_path / "scan.journal"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, calls)
        charvec.scan(corpus, resume=journal)
        raise KeyboardInterrupt  # it was finished before
    read = []
    opened = batches.open_sample
    monkeypatch.setattr(batches, "open_sample", lambda path, wait: read.append(path) or opened(path, wait=wait))
    resumed = charvec.scan(corpus, resume=journal)
    assert resumed == whole and resumed.samples.bytes == whole.samples.bytes
    assert resumed.samples.files == whole.samples.files == 11 and resumed.samples.skipped == whole.samples.skipped
    assert sorted(map(str, resumed.samples.problems)) == sorted(map(str, whole.samples.problems))
    assert len(read) == 12 - 3 * calls


def test_only_what_is_new_is_read(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished scan is taken up again when files were added."""
    journal = tmp_path / "scan.journal"
    charvec.scan(corpus, resume=journal)
    (corpus / "new.txt").write_text("新", encoding="utf-8")
    read = []
    opened = batches.open_sample
    monkeypatch.setattr(batches, "open_sample", lambda path, wait: read.append(path) or opened(path, wait=wait))
    assert charvec.scan(corpus, resume=journal) == charvec.scan(corpus) and read[0] == str(corpus / "new.txt")
    assert charvec.scan(corpus, resume=journal, jobs=2)["新"] == 1


def test_changed_or_gone(corpus: Path, tmp_path: Path) -> None:
    """Characters of a file that changed cannot be taken back, so it is an error and not a wrong count."""
    journal = tmp_path / "scan.journal"
    charvec.scan(corpus, resume=journal)
    before = journal.read_bytes()
    (corpus / "5.txt").rename(tmp_path / "5.txt")
    with pytest.raises(InputError, match=r"E-JOURNAL-CHANGED.*5\.txt was counted and is not"):
        charvec.scan(corpus, resume=journal)
    (corpus / "5.txt").write_text("another", encoding="utf-8")
    with pytest.raises(InputError, match=r"E-JOURNAL-CHANGED.*5\.txt changed"):
        charvec.scan(corpus, resume=journal)
    assert journal.read_bytes() == before


@pytest.mark.parametrize("options", [{"errors": "skip"}, {"encoding": "gb18030"}, {"normalize": "NFC"}, {"field": "a"}])
def test_other_options(corpus: Path, tmp_path: Path, options: dict[str, str]) -> None:
    """Counts made in another way are not mixed."""
    journal = tmp_path / "scan.journal"
    charvec.scan(corpus, resume=journal)
    with pytest.raises(UsageError, match="E-JOURNAL-OPTIONS"):
        charvec.scan(corpus, resume=journal, **options)  # type: ignore[arg-type]


def test_cut_short_anywhere(corpus: Path, tmp_path: Path) -> None:
    """A crash while a line is written loses that line and nothing else; the same counts come out."""
    journal = tmp_path / "scan.journal"
    whole = charvec.scan(corpus, resume=journal)
    data = journal.read_bytes()
    last = data.rindex(b"\n", 0, -1) + 1
    for size in [0, 1, 20, *range(last - 2, len(data), 97), len(data) - 1]:
        overwrite(journal, data[:size])
        assert charvec.scan(corpus, resume=journal) == whole, size
        assert sorted(journal.read_bytes()) == sorted(data)


def test_damaged_anywhere(corpus: Path, tmp_path: Path) -> None:
    """A byte that changed is noticed by a checksum: an error, or the last line read again; never other counts."""
    journal = tmp_path / "scan.journal"
    whole = charvec.scan(corpus, resume=journal)
    data = journal.read_bytes()
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 0x01
        overwrite(journal, changed)
        try:
            assert charvec.scan(corpus, resume=journal) == whole, place
        except CharvecError as error:
            assert error.code == "E-JOURNAL", place


@pytest.mark.parametrize(
    "content",
    [b"a text\n", b"a text", b"\n", b"{}", b'{"journal":1}\n', b"\0\0\n\n", "水\n".encode(), b"x" * 5000 + b"\ny\n"],
)
def test_no_journal(tmp_path: Path, corpus: Path, content: bytes) -> None:
    """A file that is something else is not written to, a single line neither."""
    path = tmp_path / "notes.txt"
    for written in (content, content * 2):
        path.write_bytes(written)
        with pytest.raises(DamagedFile, match="E-JOURNAL"):
            charvec.scan(corpus, resume=path)
        assert path.read_bytes() == written


def test_journal_and_output_are_two_files(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the counts would take the place of the journal."""
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    assert main(["scan", str(corpus), "--resume", str(tmp_path / "link"), "-o", str(tmp_path / "a.txt")]) == 2
    assert "--resume and -o" in capsys.readouterr().err and not (tmp_path / "a.txt").exists()


def test_a_first_line_cut_short(tmp_path: Path, corpus: Path) -> None:
    """Wherever a crash cut it, nothing was counted yet, and the scan begins."""
    journal = tmp_path / "scan.journal"
    whole = charvec.scan(corpus, resume=journal)
    first = journal.read_bytes().split(b"\n")[0]
    for size in range(0, len(first), 5):
        overwrite(journal, first[:size])
        assert charvec.scan(corpus, resume=journal) == whole, size


def test_in_the_folder_itself(corpus: Path) -> None:
    """The journal may lie among the samples; it is none."""
    whole = charvec.scan(corpus)
    for _ in range(2):
        assert charvec.scan(corpus, resume=corpus / "scan.txt") == whole


def test_two_at_once(tmp_path: Path) -> None:
    """One scan a journal."""
    pytest.importorskip("fcntl", reason="this system has no such locks")
    with Journal(tmp_path / "journal", Options()), pytest.raises(InputError, match="E-JOURNAL-BUSY"):
        Journal(tmp_path / "journal", Options())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_not_writable(tmp_path: Path, corpus: Path) -> None:
    """Said before anything is counted."""
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionDenied):
        charvec.scan(corpus, resume=tmp_path / "journal")


def test_file_names_of_any_bytes(tmp_path: Path) -> None:
    """Names that are not UTF-8 come back."""
    if os.name != "posix":
        pytest.skip("names are text on this system")
    folder = os.fsencode(tmp_path) + b"/f"
    os.mkdir(folder)
    with open(folder + b"/\xff\n\xe6\xb0\xb4.txt", "w", encoding="utf-8") as file:
        file.write("水")
    journal = tmp_path / "journal"
    assert charvec.scan(tmp_path / "f", resume=journal) == charvec.scan(tmp_path / "f", resume=journal)
    assert journal.read_bytes().count(b"\n") == 2


def test_graphemes_are_kept(tmp_path: Path) -> None:
    """Counts of clusters go the same way."""
    with Journal(tmp_path / "journal", Options()) as journal:
        counts = Counts.from_mapping({"e": 2, "\u0301": 1})
        counts = Counts(counts.codepoints, counts.occurrences, counts.samples, {"é": 1, "e": 1})
        journal.record(Part(0, counts, finished=(("a", 1, 2),)))
        journal.record(Part(1, counts, finished=(("b", 1, 2),)))
    with Journal(tmp_path / "journal", Options()) as journal:
        assert journal.part.counts.graphemes == {"é": 2, "e": 2} and journal.part.counts["e"] == 4


def test_standard_input_is_not_kept(tmp_path: Path) -> None:
    """What cannot be read again is counted each time."""
    path = tmp_path / "a.txt"
    path.write_text("木", encoding="utf-8")
    command = [sys.executable, "-m", "charvec", "scan", "-", str(path), "--resume", str(tmp_path / "j"), "-q"]
    for _ in range(2):
        result = subprocess.run(command, input="水".encode(), capture_output=True, check=True)
        assert sorted(line.split("\t")[1] for line in result.stdout.decode().splitlines()) == ["木", "水"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_in_the_middle(tmp_path: Path, number: signal.Signals) -> None:
    """A whole process, killed at any time: no half output, and the next run ends with what one go would have given."""
    root = tmp_path / "corpus"
    root.mkdir()
    for each in range(3000):
        (root / f"{each}.txt").write_text(f"{each}水木" * 50, encoding="utf-8")
    out, journal = tmp_path / "counts.tsv", tmp_path / "journal"
    argv = [sys.executable, "-m", "charvec", "scan", str(root), "-o", str(out), "--resume", str(journal), "-q"]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE)
    for _ in range(1000):
        if journal.exists() and journal.stat().st_size > 1000:
            break
        time.sleep(0.005)
    process.send_signal(number)
    error = process.communicate()[1]
    if process.returncode == 0:
        pytest.skip("it was finished before the signal came")
    assert process.returncode == -number and not out.exists()
    if number == signal.SIGINT:
        assert b"goes on from there" in error and b"Traceback" not in error
    assert main(argv[3:]) == 0
    resumed = out.read_bytes()
    out.unlink()
    assert main(["scan", str(root), "-o", str(out), "-q"]) == 0 and out.read_bytes() == resumed
