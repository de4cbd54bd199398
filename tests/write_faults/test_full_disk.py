"""Disks that fill up, outputs that go nowhere: the old file stands, nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from vector_samples import FORMATS, ROOT, SUFFIX, charvec

SAMPLE = ROOT / "tests" / "data" / "vectors" / "float32.h5"

LIMITED = """
import os, resource, sys
sys.path[:0] = sys.argv[1:3]
import numpy as np
from charvec import storage
from charvec.errors import CharvecError
from vector_samples import build
path, format = sys.argv[3], sys.argv[4]
vectors = build(range(100, 2100), np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32))
vectors.save(path + ".whole", format=format)
size = os.path.getsize(path + ".whole")
for limit in [0, 1, 511, 512, 513, 4096, size // 2, size - 1]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        vectors.save(path, format=format, overwrite=True)
        print("saved")
    except CharvecError as error:
        print(error.code, error.exit_code)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(open(path, "rb").read().decode())
"""


@pytest.mark.parametrize("name", FORMATS)
def test_file_size_limit(name: str, tmp_path: Path) -> None:
    """A limit on the size of files, at several sizes."""
    path = tmp_path / f"a{SUFFIX[name]}"
    path.write_bytes(b"old")
    arguments = [sys.executable, "-c", LIMITED, str(ROOT), str(ROOT / "tests"), str(path), name]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n") == ["E-DISK-FULL 74"] * 8 + ["old", ""], done.stderr
    assert sorted(os.listdir(tmp_path)) == [path.name, path.name + ".whole"]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs to mount a file system")
def test_small_file_system(tmp_path: Path) -> None:
    """A file system of 1 MiB: exit 74, the old file whole, no leftovers."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        old = disk / "a.h5"
        old.write_bytes(SAMPLE.read_bytes())
        (disk / "filler").write_bytes(bytes((1 << 20) - 24 * 1024))
        big = tmp_path / "big.h5"
        script = "import sys; sys.path[:0] = sys.argv[1:3]\nimport numpy as np\nfrom vector_samples import build\n"
        script += "build(range(100, 3000), np.ones((2900, 8), np.float32)).save(sys.argv[3])"
        subprocess.run([sys.executable, "-c", script, str(ROOT), str(ROOT / "tests"), str(big)], check=True, timeout=60)
        for suffix in (".h5", ".txt"):
            done = charvec("convert", big, disk / f"a{suffix}", "-f")
            assert done.returncode == 74 and "error[E-DISK-FULL]" in done.stderr and "Traceback" not in done.stderr
        assert old.read_bytes() == SAMPLE.read_bytes() and sorted(os.listdir(disk)) == ["a.h5", "filler"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "command", [["info"], ["info", "--json"], ["verify"], ["nearest", "中"], ["similar", "A", "中"]]
)
def test_full_stdout(command: list[str]) -> None:
    """Results that cannot be printed: exit 74 and one message."""
    arguments = [sys.executable, "-m", "charvec", command[0], str(SAMPLE), *command[1:]]
    with open("/dev/full", "w") as full:
        done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 74 and done.stderr.count("E-IO") == 1 and "Traceback" not in done.stderr


def test_closed_pipe() -> None:
    """Nobody reads the results: the process ends by SIGPIPE, in silence."""
    arguments = [sys.executable, "-m", "charvec", "info", "--json", str(SAMPLE)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(arguments, stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, timeout=60)
    os.close(writing)
    assert done.returncode in (-13, 141) and done.stderr == b""
