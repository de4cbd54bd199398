"""Verb: write vectors as another program expects them, without what it would lose, and read them back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec import formats, profiles
from charvec.alignment import align
from charvec.arguments import flag, path_of
from charvec.errors import CharvecError, DamagedFile, Note, UsageError, WrongFile
from charvec.output_folder import check_folder, replacing_folder, write_file
from charvec.plumbing.arrays.keyed_rows import KeyedRows, Special, portions
from charvec.plumbing.arrays.plain import check_some
from charvec.plumbing.files import File
from charvec.plumbing.replacing import check_target, replacing
from charvec.plumbing.text.white_space import WHITE_SPACE
from charvec.profiles import Member
from charvec.status import Status
from charvec.storage import as_vectors, check_output, load, not_stored
from charvec.valueclass import dataclass
from charvec.vectors import CharVectors

__all__ = ["Exported", "check_export", "export"]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file or folder.
        profile: its name.
        files: names of the files in the folder; empty for one file.
        characters: how many were written.
        special: names of the special rows, and their rows.
        left_out: characters that the consumer would lose, by code point.
        bytes: of all files.
        notes: what of the vectors is not kept, ``W-NOT-STORED``: a mean, axes, or a pooling.
    """

    path: str
    profile: str
    files: tuple[str, ...]
    characters: int
    special: Mapping[str, int]
    left_out: tuple[str, ...]
    bytes: int
    notes: tuple[Note, ...] = ()


def export(
    vectors: CharVectors | str | os.PathLike[str],
    path: str | os.PathLike[str],
    profile: str,
    *,
    pad: str | None = None,
    unk: str | None = None,
    special: str | None = None,
    unk_row: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write vectors as a consumer expects them; see ``docs/profiles.md``.

    What was written is read back and compared, keys and bits, before it gets its name.

    Args:
        vectors: what to write, or the path of a vector file; as float32, whatever their type, but for profiles that are
            formats of charvec's own.
        path: a file, or, where the profile has several files, a folder that is made.
        profile: its name, such as ``lattice`` or ``model2vec``.
        pad: name of the row of padding.
        unk: name of the row of unknown characters.
        special: where these two rows stand: ``first``, ``last`` or ``none``.
        unk_row: what the unknown row holds: ``mean``, ``zeros`` or ``normal``.
        overwrite: replace what is there.

    Returns:
        what was written and what was left out.

    Raises:
        UsageError: ``E-PROFILE``; ``E-PROFILE-SPECIAL``; ``E-ARGUMENT`` for anything else than vectors and a path; as
            :func:`charvec.storage.check_output`.
        WrongFile: ``E-NO-CHARACTERS``, ``E-PROFILE-DIM``, ``E-PROFILE-SIZE``.
        DamagedFile: ``E-WRITE-VERIFY``; nothing was written then.
        MissingPackage: ``E-PACKAGE``.
        OutputError, ReadWriteError, PermissionDenied: as :func:`charvec.save`.
    """
    path, overwrite = path_of(path, "export(vectors, path, profile)"), flag(overwrite, "overwrite")
    vectors = as_vectors(vectors, "export(vectors, path, profile)")
    check_export(path, profile, overwrite=overwrite)
    options = (pad, unk, special, unk_row)
    for option in options:
        if option is not None and not isinstance(option, str):
            raise UsageError("E-PROFILE-SPECIAL", f"{option!r:.100} is no name", help="give a str")
    if isinstance(profile, str) and profile in profiles.FORMATS:
        return _as_format(vectors, path, profile, options, overwrite)
    member = profiles.by_name(profile)
    chosen = _special(member, *options)
    if vectors.dim < member.MIN_DIM:
        raise WrongFile(
            "E-PROFILE-DIM",
            f"{path}: readers of {member.NAME} take vectors of one dimension for something else",
            path=path,
            help="choose another profile, such as gensim",
        )
    lost = np.isin(vectors.codepoints, np.array(sorted(map(ord, member.LOSES)), np.uint32))
    left_out = tuple(char for char, gone in zip(vectors.chars, lost.tolist(), strict=True) if gone)
    kept = vectors.take(~lost) if left_out else vectors
    check_some(len(kept), f"the profile {member.NAME}")
    rows, ids = _rows(kept, chosen)
    about = {
        "source": dict(kept.source),
        "special": chosen,
        "counts": dict(zip(kept.chars, kept.counts.tolist(), strict=True)),
        "status": {} if "converted" in kept.source else _status(kept),
    }
    size = _write(member, rows, about, path, overwrite)
    notes = tuple(not_stored(vectors, path, f"the profile {member.NAME}"))
    return Exported(path, member.NAME, member.FILES, len(kept), ids, left_out, size, notes)


def check_export(path: str, profile: str, *, overwrite: bool = False, inputs: tuple[str, ...] = ()) -> None:
    """Refuse an export that could not be written in the end, before any work is done; errors as :func:`export`."""
    if isinstance(profile, str) and profile in profiles.FORMATS:
        check_output(path, format=profiles.FORMATS[profile][0], overwrite=overwrite, inputs=inputs)
        return
    member = profiles.by_name(profile)
    if path == "-":
        raise UsageError(
            "E-OUTPUT-STDOUT",
            "a profile is written to a temporary name, read back and renamed; it cannot go to standard output",
            help="name a folder" if member.FILES else "name a file",
        )
    if member.FILES:
        check_folder(path, member.FILES, overwrite=overwrite, inputs=inputs)
    else:
        check_target(path, overwrite=overwrite, inputs=inputs)


def _as_format(
    vectors: CharVectors, path: str, profile: str, options: tuple[str | None, ...], overwrite: bool
) -> Exported:
    format_ = profiles.FORMATS[profile][0]
    if any(options):
        raise UsageError(
            "E-PROFILE-SPECIAL", f"{profile} has no special rows", help="leave --pad, --unk, --special, --unk-row out"
        )
    with replacing(path, overwrite) as output:
        left_out = formats.by_name(format_).write(vectors, output)
        output.flush()
        kept = vectors.take(~np.isin(vectors.codepoints, [ord(char) for char in left_out]))
        try:
            again = load(output.name)
        except CharvecError as error:
            raise _differs(path, str(error)) from error
        _compare(KeyedRows(kept.chars, kept.matrix), KeyedRows(again.chars, again.matrix), path)
        size = os.path.getsize(output.name)
    notes = tuple(not_stored(vectors, path, f"the profile {profile}")) if formats.by_name(format_).HOLDS else ()
    return Exported(path, profile, (), len(kept), {}, tuple(left_out), size, notes)


def _status(vectors: CharVectors) -> dict[str, str]:
    names = [Status(value).label for value in range(len(Status))]
    return {char: names[value] for char, value in zip(vectors.chars, vectors.status.tolist(), strict=True)}


def _special(member: Member, pad: str | None, unk: str | None, where: str | None, row: str | None) -> Special:
    """The special rows of a profile, as the caller wants them.

    Raises:
        UsageError: ``E-PROFILE-SPECIAL``.
    """

    def refuse(problem: str, help: str) -> None:
        raise UsageError("E-PROFILE-SPECIAL", problem, help=help)

    default = member.SPECIAL
    chosen = replace(
        default,
        pad=default.pad if pad is None else pad,
        unk=default.unk if unk is None else unk,
        where=where or default.where,
        row=row or default.row,
    )
    if chosen.where not in ("first", "last", "none"):
        refuse(f"special rows cannot stand {chosen.where!r}", "choose first, last or none")
    if chosen.row not in ("mean", "zeros", "normal"):
        refuse(f"the unknown row cannot be {chosen.row!r}", "choose mean, zeros or normal")
    if chosen.where == "none":
        if default.needed:
            places = " or ".join(place for place in default.places if place != "none")
            refuse(f"{member.NAME} cannot do without special rows", f"choose --special {places}")
        if pad or unk or row:
            refuse(f"{member.NAME} has no special rows of itself", "say where they go: --special first, or last")
    if chosen.where not in default.places:
        refuse(
            f"programs that read {member.NAME} look for special rows {default.where}, not {chosen.where}",
            f"choose --special {default.where}",
        )
    for name in (chosen.pad, chosen.unk):
        if not isinstance(name, str) or len(name) < 2 or not WHITE_SPACE.isdisjoint(name) or not name.isprintable():
            refuse(f"{name!r} is no name for a special row", "two or more printable characters, no white space")
    for name in (chosen.pad, chosen.unk):
        if [chosen.pad, chosen.unk, *chosen.more].count(name) > 1:
            refuse(f"two special rows would be called {name!r}", "give them names of their own")
    return chosen


def _rows(vectors: CharVectors, special: Special) -> tuple[KeyedRows, dict[str, int]]:
    """Keys in the order of their ids, with the special rows among them."""
    if special.where == "none":
        return KeyedRows(vectors.chars, vectors.matrix), {}
    keys = special.around(vectors.chars)
    # every other key has a vector, so that only the further special rows are filled
    matrix: NDArray[np.float32] = align(vectors, keys, pad=special.pad, unk=special.unk, missing="unk", seed=0).matrix
    filled = [special.unk, *special.more]
    places = [keys.index(name) for name in filled]
    if special.row == "zeros":
        matrix[places] = 0
    elif special.row == "normal":
        matrix[places] = align(vectors, filled, pad=None, unk=None, missing="normal", seed=0).matrix
    names = (special.pad, special.unk) if special.where == "first" else (special.unk, special.pad)
    return KeyedRows(keys, matrix), {name: keys.index(name) for name in (*names, *special.more)}


def _write(member: Member, rows: KeyedRows, about: Mapping[str, Any], path: str, overwrite: bool) -> int:
    """Write, read back, compare, rename; the number of bytes."""
    parts = member.write(rows, about)
    if not member.FILES:
        with replacing(path, overwrite) as output:
            for portion in portions(parts[""]):
                output.write(portion)
            output.flush()
            data = _content(output.name)
            _check(member, {"": data}, rows, path)
            return len(data)
    with replacing_folder(path, member.FILES, overwrite=overwrite) as folder:
        for name, chunks in parts.items():
            write_file(os.path.join(folder, name), portions(chunks))
        files = {name: _content(os.path.join(folder, name)) for name in parts}
        _check(member, files, rows, path)
    return sum(map(len, files.values()))


def _content(path: str) -> bytes:
    with File(path) as file:
        return file.pread(0, file.size)


def _check(member: Member, files: Mapping[str, bytes], rows: KeyedRows, path: str) -> None:
    try:
        again = member.read(files, path, rows.dim)
    except CharvecError as error:
        raise _differs(path, str(error)) from error
    _compare(rows, again, path)


def _compare(rows: KeyedRows, again: KeyedRows, path: str) -> None:
    """Raises DamagedFile ``E-WRITE-VERIFY`` unless both are the same."""
    if not rows.same_as(again):
        raise _differs(path, f"{len(again.keys):,} keys x {again.dim} instead of {len(rows.keys):,} x {rows.dim}")


def _differs(path: str, found: str) -> DamagedFile:
    return DamagedFile(
        "E-WRITE-VERIFY",
        f"{path}: what was read back is not what was written",
        path=path,
        found=found[:200],
        help="check the disk; if it is sound, please report this",
    )
