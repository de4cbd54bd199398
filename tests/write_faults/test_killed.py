"""Writers that are killed or failed by the system: old or new, never a third; the next run sweeps up."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from effort import tries
from vector_samples import ROOT, build, small

from charvec import load

WRITER = """
import sys
sys.path[:0] = sys.argv[1:3]
import numpy as np
from charvec import storage
from charvec.errors import CharvecError
from vector_samples import build
n = int(sys.argv[4])
vectors = build(range(0x4E00, 0x4E00 + n), np.full((n, 256), 2, np.float32))
print("ready", flush=True)
sys.stdin.readline()
try:
    vectors.save(sys.argv[3], overwrite=True)
except CharvecError as error:
    print(error.code, flush=True)
    sys.exit(error.exit_code)
except KeyboardInterrupt:
    sys.exit(130)
"""


def writer(path: Path, characters: int) -> list[str]:
    """The command of a process that waits for a line and then writes."""
    return [sys.executable, "-c", WRITER, str(ROOT), str(ROOT / "tests"), str(path), str(characters)]


def started(path: Path, characters: int) -> subprocess.Popen[bytes]:
    """A process that has just begun to write."""
    process = subprocess.Popen(writer(path, characters), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None and process.stdout.readline() == b"ready\n"
    process.stdin.write(b"\n")
    process.stdin.flush()
    return process


OLD = build("a", np.ones((1, 3), np.float32))


def test_kill(tmp_path: Path) -> None:
    """SIGKILL at random times while 16 MiB are written, again and again: the file is always whole."""
    rng = random.Random(7)
    path = tmp_path / "a.h5"
    OLD.save(path)
    outcomes = set()
    for _ in range(tries(15, 40)):
        process = started(path, 16_500)
        # nearly all the time goes into the digest and the disk; what a machine needs for it is not known
        time.sleep(rng.random() * 0.1)
        process.kill()
        process.communicate()
        outcomes.add(len(load(path)))
    assert outcomes <= {1, 16_500}
    small().save(path, overwrite=True)
    assert os.listdir(tmp_path) == ["a.h5"] and len(load(path)) == 6


def test_interrupt(tmp_path: Path) -> None:
    """SIGINT at random times: old or new, and no leftover at all."""
    rng = random.Random(8)
    path = tmp_path / "a.h5"
    OLD.save(path)
    for _ in range(8):
        process = started(path, 16_500)
        time.sleep(rng.random() * 0.08)
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode in (0, 130, -2)
        assert len(load(path)) in (1, 16_500) and os.listdir(tmp_path) == ["a.h5"]


# -- system calls that fail -------------------------------------------------------------------------------------------

STRACE = shutil.which("strace")
CALLS = "write,pwrite64,fsync,rename,link,unlink,openat"


def can_trace() -> bool:
    """Whether strace is here and allowed."""
    return (
        STRACE is not None and subprocess.run([STRACE, "-o", os.devnull, "true"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_trace(), reason="strace is not installed, or tracing is not allowed here")
@pytest.mark.parametrize(
    ("call", "fault"),
    [
        *[(call, f"error={error}") for call in ("write", "fsync") for error in ("ENOSPC", "EIO", "EINTR", "EDQUOT")],
        *[("rename", f"error={error}") for error in ("ENOSPC", "EIO")],
        *[(call, "signal=SIGKILL") for call in ("write", "fsync", "rename")],
    ],
)
def test_system_call_fails(call: str, fault: str, tmp_path: Path) -> None:
    """The first call of each kind, and the second, on the temporary file or the target: old or new, never a third."""
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "a.h5"
    OLD.save(path)
    before = path.read_bytes()
    # the temporary file gets a name that can be told to strace beforehand
    known = "storage.os.urandom = lambda _: bytes.fromhex('01234567'); storage.os.getpid = lambda: 1\n"
    script = WRITER.replace("vectors =", known + "vectors =")
    temporary = folder / ".a.h5.1.01234567.tmp"
    for when in (1, 2):
        path.write_bytes(before)
        command = [str(STRACE), "-f", "-qq", "-o", str(tmp_path / "trace"), "-P", str(temporary), "-P", str(folder)]
        command += ["-e", f"trace={CALLS}", "-e", f"inject={call}:{fault}:when={when}"]
        arguments = [sys.executable, "-c", script, str(ROOT), str(ROOT / "tests"), str(path), "500"]
        done = subprocess.run([*command, *arguments], input=b"\n", capture_output=True, timeout=60)
        injected_here = "INJECTED" in (tmp_path / "trace").read_text() or "SIGKILL" in fault
        assert injected_here or when == 2, (tmp_path / "trace").read_text()
        assert len(load(path)) in (1, 500), done
        if "SIGKILL" in fault:
            assert done.returncode == -9 or when == 2
            temporary.unlink(missing_ok=True)
            continue
        assert os.listdir(folder) == ["a.h5"]
        assert done.returncode in (0, 74), done
        if done.returncode == 74:
            assert path.read_bytes() == before and done.stdout.split()[-1] in (b"E-DISK-FULL", b"E-IO")
        elif when == 1 and "EINTR" not in fault:
            pytest.fail(f"{call} failed with {fault} and nobody noticed")
