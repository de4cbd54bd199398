"""Verbs: write a folder whole or not at all.

The files go into a temporary folder beside it, are brought to the disk, checked, and the folder is renamed. After a
crash, a kill or a full disk there is the old folder or the new one, never half of one. Folders cannot be exchanged in
one step: while an old one is replaced, for an instant there is none, and the old one lies beside under another name.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator

from charvec.errors import OutputError, PermissionDenied, from_os_error
from charvec.plumbing.arrays.keyed_rows import Chunk
from charvec.plumbing.replacing import alive, sync_folder, write_error

__all__ = ["check_folder", "replacing_folder", "write_file"]


def check_folder(path: str, files: Collection[str], *, overwrite: bool, inputs: Iterable[str] = ()) -> None:
    """Refuse a folder that could not be written in the end, before any work is done.

    Args:
        path: the folder.
        files: names of what goes into it. Only a folder that holds nothing else is ever replaced.
        overwrite: replace it when it exists.
        inputs: files that must not be in it.

    Raises:
        OutputError: ``E-OUTPUT-EXISTS``, ``E-OUTPUT-FILE``, ``E-OUTPUT-NO-FOLDER``, ``E-OUTPUT-IS-INPUT``.
        PermissionDenied: ``E-PERMISSION``.
    """
    if not path:
        # it would stand for the working folder, with all that is in it
        raise OutputError(
            "E-OUTPUT-NO-FOLDER", "an empty name was given for the output", path=path, help="name a folder"
        )
    target = os.path.abspath(path)  # a link stays one: "link/" would be the folder that it leads to
    parent = os.path.dirname(target)
    if not os.path.isdir(parent):
        raise OutputError(
            "E-OUTPUT-NO-FOLDER", f"the folder of {path} does not exist", path=path, help=f"make it: mkdir -p {parent}"
        )
    if os.path.lexists(target):
        if os.path.islink(target) or not os.path.isdir(target):
            raise OutputError(
                "E-OUTPUT-FILE",
                f"{path} is there and no folder, which is what is to be written",
                path=path,
                help="name a folder, which will be made",
            )
        try:
            there = set(os.listdir(target))
        except OSError as error:
            raise from_os_error(error, path, "reading") from None
        if any(os.path.realpath(each).startswith(os.path.realpath(target) + os.sep) for each in inputs):
            raise OutputError(
                "E-OUTPUT-IS-INPUT", f"the input lies in {path}", path=path, help="write to another folder"
            )
        if there - set(files):
            raise OutputError(
                "E-OUTPUT-EXISTS",
                f"{path} holds other files; it is not replaced",
                path=path,
                help="name a folder that is not there yet",
            )
        if there and not overwrite:
            raise OutputError(
                "E-OUTPUT-EXISTS",
                f"{path} exists",
                path=path,
                help="say -f (in Python: overwrite=True) to replace it, or name another folder",
            )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionDenied(
            "E-PERMISSION", f"{parent}: no permission to write there", path=path, help="write to another folder"
        )


@contextlib.contextmanager
def replacing_folder(path: str, files: Collection[str], *, overwrite: bool) -> Iterator[str]:
    """A temporary folder that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    Raises:
        OutputError: ``E-OUTPUT-EXISTS`` when it has come into being meanwhile.
        ReadWriteError: ``E-DISK-FULL``, ``E-IO``.
    """
    target = os.path.abspath(path)
    parent, name = os.path.split(target)
    prefix = "." + os.fsencode(name)[:200].decode("utf-8", "ignore") + "."
    _sweep(parent, prefix, os.path.isdir(target) and bool(os.listdir(target)))
    temporary = os.path.join(parent, f"{prefix}{os.getpid()}.{os.urandom(4).hex()}.tmp")
    aside = ""
    try:
        os.mkdir(temporary)
        yield temporary
        sync_folder(temporary)
        check_folder(path, files, overwrite=overwrite)
        if os.path.isdir(target) and os.listdir(target):
            aside = f"{temporary[:-4]}.old"
            os.rename(target, aside)
        os.rename(temporary, target)
        sync_folder(parent)
    except OSError as error:
        raise write_error(error, path) from None
    finally:
        if aside and not os.path.lexists(target):
            # an error or Ctrl-C between the two names; the old folder is never removed before the new one is there
            with contextlib.suppress(OSError):
                os.rename(aside, target)
        elif aside:
            shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(temporary, ignore_errors=True)


def write_file(path: str, chunks: Iterable[Chunk]) -> None:
    """A new file in the temporary folder, brought to the disk.

    Raises:
        OSError: whatever the system says.
    """
    with open(path, "xb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _sweep(parent: str, prefix: str, replaced: bool) -> None:
    """Remove temporary folders that killed runs left behind for this very output; old ones only where a new one is."""
    form = r"([0-9]{1,9})\.[0-9a-f]{8}\.(tmp|old)" if replaced else r"([0-9]{1,9})\.[0-9a-f]{8}\.tmp"
    with contextlib.suppress(OSError):
        for each in os.listdir(parent):
            leftover = each.startswith(prefix) and re.fullmatch(form, each[len(prefix) :])
            if leftover and not alive(int(leftover[1])):
                shutil.rmtree(os.path.join(parent, each), ignore_errors=True)
