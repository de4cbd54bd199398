"""Loading and saving: what is refused, what is replaced, and what stays as it was."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from vector_samples import FORMATS, ROOT, SUFFIX, assert_same, build, charvec, small

from charvec import load, save
from charvec.cli import main
from charvec.errors import CharvecError, DamagedFile, OutputError
from charvec.plumbing import replacing
from charvec.plumbing.replacing import write_whole
from charvec.storage import check_output

SAMPLE = ROOT / "tests" / "data" / "vectors" / "float32.h5"


def refused(path: str | Path, **options: object) -> tuple[str, int]:
    """Code and exit code of the error that saving raises."""
    with pytest.raises(CharvecError) as caught:
        save(small(), path, **options)  # type: ignore[arg-type]
    return caught.value.code, caught.value.exit_code


# -- outputs that are refused -----------------------------------------------------------------------------------------


def test_refusals(tmp_path: Path) -> None:
    """Folders, missing folders, existing files, devices, unknown suffixes and formats."""
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "old.h5").write_bytes(b"old")
    os.mkfifo(tmp_path / "pipe.h5")
    assert refused(tmp_path / "folder.h5", overwrite=True) == ("E-OUTPUT-FOLDER", 73)
    assert refused(tmp_path / "none" / "a.h5") == ("E-OUTPUT-NO-FOLDER", 73)
    assert refused(tmp_path / "old.h5" / "a.h5") == ("E-OUTPUT-NO-FOLDER", 73)
    assert refused(tmp_path / "old.h5") == ("E-OUTPUT-EXISTS", 73)
    assert refused(tmp_path / "pipe.h5", overwrite=True) == ("E-OUTPUT-SPECIAL", 73)
    assert refused("/dev/null", format="hdf5", overwrite=True) == ("E-OUTPUT-SPECIAL", 73)
    reading, writing = os.pipe()  # as /dev/stdout may be one
    try:
        assert refused(f"/dev/fd/{writing}", format="hdf5", overwrite=False) == ("E-OUTPUT-SPECIAL", 73)
    finally:
        os.close(reading)
        os.close(writing)
    assert refused(tmp_path / "a.doc") == ("E-SUFFIX", 2)
    assert refused(tmp_path / "a.h5", format="docx") == ("E-FORMAT-NAME", 2)
    assert (tmp_path / "old.h5").read_bytes() == b"old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder.h5", "old.h5", "pipe.h5"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path: Path) -> None:
    """A folder that may not be written to."""
    tmp_path.chmod(0o500)
    assert refused(tmp_path / "a.h5") == ("E-PERMISSION", 77)


def test_output_is_input(tmp_path: Path) -> None:
    """Under another name, too: links lead to one file."""
    one, two, three = tmp_path / "one.h5", tmp_path / "two.h5", tmp_path / "three.h5"
    one.write_bytes(b"input")
    two.hardlink_to(one)
    three.symlink_to(one)
    for path in (one, two, three):
        with pytest.raises(OutputError) as caught:
            check_output(path, overwrite=True, inputs=["absent", str(one)])
        assert caught.value.code == "E-OUTPUT-IS-INPUT"


def test_convert_refuses_before_it_reads(tmp_path: Path) -> None:
    """The command: exit 73, and the old file as it was."""
    out = tmp_path / "out.npz"
    out.write_bytes(b"old")
    for target, code in (
        (out, "E-OUTPUT-EXISTS"),
        (tmp_path, "E-OUTPUT-FOLDER"),
        (tmp_path / "none" / "a.npz", "E-OUTPUT-NO-FOLDER"),
    ):
        done = charvec("convert", tmp_path / "absent.h5", target)
        assert f"error[{code}]" in done.stderr and done.returncode in (2, 73)
    assert out.read_bytes() == b"old"


def test_convert_in_place(tmp_path: Path) -> None:
    """A file is never converted onto itself."""
    path = tmp_path / "a.h5"
    path.write_bytes(SAMPLE.read_bytes())
    done = charvec("convert", path, path, "-f")
    assert done.returncode == 73 and "E-OUTPUT-IS-INPUT" in done.stderr
    assert path.read_bytes() == SAMPLE.read_bytes()


# -- outputs that are written -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_overwrite(name: str, tmp_path: Path) -> None:
    """The old file is replaced, nothing else is left, and what was left out is returned."""
    path = tmp_path / f"a{SUFFIX[name]}"
    path.write_bytes(b"old")
    left_out = save(small(), path, overwrite=True)
    assert left_out == {"text": [" ", "\u3000"], "word2vec": [" "], "word2vec-binary": [" "]}.get(name, [])
    assert len(load(path)) == 6 - len(left_out) and [each.name for each in tmp_path.iterdir()] == [path.name]


def test_symbolic_link(tmp_path: Path) -> None:
    """What a link leads to is replaced, in its own folder, or made; the link stays."""
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "real.h5", tmp_path / "link.h5"
    link.symlink_to(target)
    save(small(), link)
    assert link.is_symlink() and not target.is_symlink() and len(load(target)) == 6
    save(build("a", np.ones((1, 2), np.float32)), link, overwrite=True)
    assert link.is_symlink() and len(load(target)) == 1
    assert [each.name for each in (tmp_path / "far").iterdir()] == ["real.h5"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o000, 0o666)])
def test_mode(umask: int, mode: int, tmp_path: Path) -> None:
    """A new file obeys the umask; a replaced one keeps its mode."""
    before = os.umask(umask)
    try:
        save(small(), tmp_path / "new.h5")
        (tmp_path / "old.h5").write_bytes(b"")
        (tmp_path / "old.h5").chmod(0o640)
        save(small(), tmp_path / "old.h5", overwrite=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.h5").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "old.h5").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["字" * 84 + ".h5", "a" * 252 + ".h5", "-x.h5", "a\nb.h5", "\udcff.h5"])
def test_odd_names(name: str, tmp_path: Path) -> None:
    """Names as long as the system takes, in bytes, and names of all kinds."""
    save(small(), tmp_path / name)
    save(small(), tmp_path / name, overwrite=True)
    assert os.listdir(tmp_path) == [name]
    assert_same(load(tmp_path / name), small())


def test_it_came_into_being_meanwhile(tmp_path: Path) -> None:
    """A file that appears between the check and the rename is not overwritten."""
    path = tmp_path / "a.h5"
    with pytest.raises(OutputError) as caught, replacing.replacing(str(path), False) as file:
        file.write(b"new")
        path.write_bytes(b"theirs")
    assert caught.value.code == "E-OUTPUT-EXISTS" and path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["a.h5"]


def test_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links gets its file by a rename."""

    def no_link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    save(small(), tmp_path / "a.h5")
    assert_same(load(tmp_path / "a.h5"), small())
    assert os.listdir(tmp_path) == ["a.h5"]


def test_sweep(tmp_path: Path) -> None:
    """Leftovers of dead runs for this very file go; everything else stays."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    stays = [
        f".a.h5.{os.getpid()}.01234567.tmp",  # of a living process
        f".b.h5.{dead.pid}.01234567.tmp",  # for another file
        f".a.h5.{dead.pid}.0123456.tmp",
        f".a.h5.{dead.pid}.01234567.tmp.bak",
        ".a.h5.\u00b2.01234567.tmp",
        ".a.h5.99999999999999999999.01234567.tmp",
        f"a.h5.{dead.pid}.01234567.tmp",
    ]
    goes = [f".a.h5.{dead.pid}.01234567.tmp", f".a.h5.{dead.pid}.89abcdef.tmp"]
    for name in stays + goes:
        (tmp_path / name).write_bytes(b"x")
    save(small(), tmp_path / "a.h5")
    assert sorted(os.listdir(tmp_path)) == sorted([*stays, "a.h5"])


def test_no_second_copy(tmp_path: Path) -> None:
    """Vectors are written from where they lie: 32 MB of them take less than 8 MB more to save."""
    vectors = build(range(0x4E00, 0x4E00 + 8000), np.ones((8000, 1024), np.float32))
    tracemalloc.start()
    try:
        save(vectors, tmp_path / "a.h5")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_read_back_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that gives back other bytes than it was given is found out before the old file goes."""
    checksums = iter([1, 2])
    monkeypatch.setattr(replacing.zlib, "crc32", lambda *_: next(checksums))
    (tmp_path / "a.h5").write_bytes(b"old")
    with pytest.raises(DamagedFile) as caught:
        write_whole(tmp_path / "a.h5", b"new", overwrite=True)
    assert caught.value.code == "E-WRITE-VERIFY" and (tmp_path / "a.h5").read_bytes() == b"old"


@pytest.mark.parametrize("stage", ["open", "crc32", "fsync", "replace"])
def test_interrupt(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at any stage: the old file, and no leftovers."""
    really = os.open

    def interrupt(*args: Any, **options: Any) -> int:
        if stage == "open":
            if not str(args[0]).endswith(".tmp"):
                return really(*args, **options)
            os.close(really(*args, **options))  # it comes as the file has just been made
        raise KeyboardInterrupt

    where = replacing.zlib if stage == "crc32" else os
    monkeypatch.setattr(where, stage, interrupt)
    (tmp_path / "a.h5").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        save(small(), tmp_path / "a.h5", overwrite=True)
    assert (tmp_path / "a.h5").read_bytes() == b"old" and os.listdir(tmp_path) == ["a.h5"]


# -- loading ----------------------------------------------------------------------------------------------------------


def test_inputs_that_are_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders, pipes nobody writes to, devices, names of nothing."""
    os.mkfifo(tmp_path / "pipe.h5")
    for path, code in ((tmp_path, 65), (tmp_path / "pipe.h5", 65), ("/dev/zero", 65), (tmp_path / "none.h5", 66)):
        assert main(["info", str(path)]) == code
        assert "Traceback" not in capsys.readouterr().err


def test_loaded_vectors_are_read_only() -> None:
    """What is a view into the file cannot be changed by accident."""
    with pytest.raises(ValueError, match="read-only"):
        load(SAMPLE).matrix[0, 0] = 1


def test_unchecked(tmp_path: Path) -> None:
    """A file that another tool edited is refused as changed, and read when asked."""
    path = tmp_path / "a.h5"
    path.write_bytes(SAMPLE.read_bytes())
    with h5py.File(path, "r+") as file:
        file["vectors"][0, 0] = 42
    with pytest.raises(DamagedFile) as caught:
        load(path)
    assert caught.value.code == "E-DAMAGED"
    assert load(path, check=False).matrix[0, 0] == 42
    with h5py.File(path, "r+") as file:
        file.create_dataset("mine", data=np.arange(1000))
    assert load(path, check=False).matrix[0, 0] == 42
    assert charvec("convert", path, tmp_path / "b.npz").returncode == 65
    done = charvec("convert", path, tmp_path / "b.npz", "--unchecked")
    assert done.returncode == 0 and load(tmp_path / "b.npz").matrix[0, 0] == 42


def test_convert(tmp_path: Path) -> None:
    """To every format and back; what a format cannot hold is named."""
    for name in FORMATS:
        done = charvec("convert", SAMPLE, tmp_path / f"a{SUFFIX[name]}", "--dtype", "float16")
        assert done.returncode == 0, done.stderr
        assert ("W-LEFT-OUT" in done.stderr) == (name in ("text", "word2vec", "word2vec-binary"))
        assert ("U+3000" in done.stderr) == (name == "text")
    assert_same(load(tmp_path / "a.safetensors"), small().astype("float16"))


REPLACER = """
import sys
sys.path[:0] = sys.argv[1:3]
import numpy as np
from vector_samples import build
one, two = (build(range(0x4E00, 0x4E00 + n), np.full((n, 8), n, np.float32)) for n in (100, 3000))
print("ready", flush=True)
while True:
    one.save(sys.argv[3], overwrite=True)
    two.save(sys.argv[3], overwrite=True)
"""


def test_load_while_it_is_replaced(tmp_path: Path) -> None:
    """A thousand loads while another process replaces the file over and over: each is whole, old or new."""
    path = tmp_path / "a.h5"
    build(range(0x4E00, 0x4E64), np.full((100, 8), 100, np.float32)).save(path)
    arguments = [sys.executable, "-c", REPLACER, str(ROOT), str(ROOT / "tests"), str(path)]
    seen = set()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        try:
            for _ in range(1000):
                vectors = load(path)
                assert len(vectors) in (100, 3000) and (vectors.matrix == len(vectors)).all()
                seen.add(len(vectors))
        finally:
            process.kill()
    assert seen == {100, 3000}
