"""The command line: parse, run one command, and turn whatever goes wrong into one message and an exit code.

Results go to stdout, everything else to stderr. Exit codes: see :mod:`charvec.errors`, and
3 done, but some samples were skipped or damaged; 1 the answer is "no"; 70 a bug in charvec; 130, 141, 143 signals.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NoReturn

from charvec.commands import MEMBERS, Member, member
from charvec.errors import CharvecError, OutOfMemory, ReadWriteError, UsageError
from charvec.plumbing.terminal import complain, escape, json_text, print_json_text
from charvec.version import __version__

__all__ = ["main", "run"]

BUG = 70


class _Formatter(argparse.HelpFormatter):
    """argparse's own, which it makes for every single argument, told how wide the terminal is.

    It would ask :mod:`shutil`, which loads three compression libraries: 3 ms of every start.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    """Columns of the terminal, as :func:`shutil.get_terminal_size` tells them."""
    with contextlib.suppress(KeyError, ValueError):
        if (columns := int(os.environ["COLUMNS"])) > 0:
            return columns
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    return 80


class _Parser(argparse.ArgumentParser):
    """argparse, with its complaints in our form."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter, **options})

    def error(self, message: str) -> NoReturn:
        raise UsageError("E-USAGE", message, help=self._hint())

    def _hint(self) -> str:
        if order := self.get_default("order"):
            return f"the order is `{self.prog} {order}`; see `{self.prog} --help`"
        return f"see `{self.prog} --help`"


def _build_parser(argv: Sequence[str]) -> _Parser:
    """The parser. When a command is called, only that one is imported and set up; it takes milliseconds each."""
    parser = _Parser(
        prog="charvec",
        description="Character vectors of heavy models for light ones.",
        epilog="charvec COMMAND --help tells more. Start with: charvec dump SAMPLES -o zh.h5",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"charvec {__version__}")
    subparsers = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", parser_class=_Parser, prog="charvec"
    )
    called = argv[0] if argv and argv[0] in MEMBERS else None
    for name in (called,) if called else MEMBERS:
        command = member(name)
        sub = subparsers.add_parser(name, help=command.HELP, description=_sentence(command.HELP), allow_abbrev=False)
        if not called:
            continue
        command.arguments(sub)
        sub.add_argument("-q", "--quiet", action="store_true", help="no summary, no progress bar")
        sub.add_argument("-v", "--verbose", action="store_true", help="all notes, none folded")
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _parse(parser: _Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse, and offer the nearest command or option for a misspelt one."""
    first = next((word for word in argv if not word.startswith("-")), None)
    if first is not None and first not in MEMBERS and argv[0] == first:
        hint = _nearest(first, MEMBERS)
        raise UsageError("E-USAGE", f"there is no command {first!r}", help=f"{hint}see `charvec --help`")
    if argv and argv[0] in ("-q", "--quiet", "-v", "--verbose", "--debug") and any(word in MEMBERS for word in argv):
        raise UsageError(
            "E-USAGE", f"{argv[0]} stands before the command", help=f"put it behind: charvec COMMAND {argv[0]}"
        )
    try:
        args, unknown = parser.parse_known_args(argv)
    except UsageError as error:
        # said here and not beside the option: that --ext took the samples too shows only when argparse has none left,
        # and what stood where only in the whole command line
        if "SAMPLE" in error.message and "--ext" in argv:
            taken = list(takewhile(lambda word: not word.startswith("-"), argv[argv.index("--ext") + 1 :]))
            if len(taken) > 1:
                raise UsageError(
                    "E-USAGE",
                    f"no sample is named: --ext takes all that follows it for suffixes, {taken[-1]} too",
                    help=f"put it behind the samples: charvec {argv[0]} {taken[-1]} --ext {' '.join(taken[:-1])}",
                ) from None
        raise
    if isinstance(getattr(args, "model", None), str) and sum(word in ("-m", "--model") for word in argv) > 1:
        raise UsageError("E-USAGE", "-m was given twice", help="only `charvec coverage` compares several models")
    if unknown:
        options = _options(parser, args.command)
        hint = _nearest(unknown[0].split("=")[0], options)
        raise UsageError(
            "E-USAGE",
            f"unknown argument {unknown[0]!r}",
            help=f"{hint}see `{' '.join(filter(None, ('charvec', args.command)))} --help`",
        )
    return args


def _nearest(word: str, words: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, words, n=1)
    return f"did you mean {close[0]}? " if close else ""


def _options(parser: _Parser, command: str | None) -> list[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and command in action.choices:
            return [option for each in action.choices[command]._actions for option in each.option_strings]
    return []


def run() -> NoReturn:
    """The process's own entry point: :func:`main` with three savings that only a whole process can make.

    Measured on 2 cores, medians of 25 interleaved runs of ``import numpy, h5py`` (107 ms): one thread for OpenBLAS,
    whose start waits for the others, saves 15 ms; ending without tearing down NumPy and HDF5, whose files are closed
    by then, saves 20 ms. Looking for garbage less often, of which imports make none, saves 6 ms of a ``dump`` (173 ms).
    """
    gc.set_threshold(200_000)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = main()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        code = code or ReadWriteError.exit_code
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run charvec with these arguments (default: the process's own); returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if sys.stdout is None:  # closed by whoever started the process
        complain("charvec: error[E-IO]: standard output is closed\n  help: give it somewhere to write to")
        return ReadWriteError.exit_code
    for stream in (sys.stdout, sys.stderr):
        # a character that the terminal's encoding lacks is escaped; U+0000 to U+10FFFF can turn up in any table
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    debug, as_json = "--debug" in argv, "--json" in argv
    try:
        parser = _build_parser(argv)
        args = _parse(parser, argv)
        if args.command is None:
            parser.print_help()
            return 0
        command: Member = member(args.command)
        code = command.run(args)
        sys.stdout.flush()
        return code
    except CharvecError as error:
        return _fail(error, debug, as_json)
    except MemoryError as error:
        problem: CharvecError = OutOfMemory(
            "E-MEMORY", "not enough memory", help="close other programs, or use a smaller --dtype"
        )
        problem.__cause__ = error
        return _fail(problem, debug, as_json)
    except BrokenPipeError:
        return _die("SIGPIPE", 13)
    except KeyboardInterrupt:
        _end_at_once()  # Ctrl-C is often pressed twice; the second must not become a traceback
        complain("charvec: interrupted")
        return _die("SIGINT", 2)
    except UnicodeEncodeError as error:
        problem = UsageError(
            "E-PATH",
            f"{error.object!r} cannot be written in this system's encoding, {error.encoding}",
            help="use a UTF-8 locale, or set PYTHONUTF8=1",
        )
        return _fail(problem, debug, as_json)
    except OSError as error:
        from charvec.errors import NotFound, from_os_error

        if isinstance(error, FileNotFoundError) and error.filename is None and not _has_folder():
            problem = NotFound("E-NOT-FOUND", "the current folder is gone", help="change to one that is there: cd ...")
            return _fail(problem, debug, as_json)

        name = error.filename if isinstance(error.filename, str) else "standard output"
        problem_io = from_os_error(error, name, "writing" if error.filename is None else "reading")
        return _fail(problem_io, debug, as_json)
    except Exception as error:
        bug = CharvecError(
            "E-BUG",
            f"a bug in charvec: {type(error).__name__}: {error}",
            help="please report it with the output of the same command and --debug",
        )
        bug.__cause__ = error
        return _fail(bug, debug, as_json)


def _fail(error: CharvecError, debug: bool, as_json: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    if as_json:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            print_json_text(json_text(error.as_dict()), sys.stderr)
    else:
        lines = [f"charvec: error[{error.code}]: {escape(error.message)}"]
        if error.found:
            lines.append(f"  found: {escape(error.found)}")
        lines.append(f"  help: {escape(error.help)}")
        complain("\n".join(lines))
    try:
        sys.stdout.flush()
    except OSError:
        _drop_stdout()
    return error.exit_code


def _has_folder() -> bool:
    """Whether the current folder is there: relative paths mean nothing in one that was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _end_at_once() -> None:
    """Let the system end the process should a further Ctrl-C come: nothing is left to be cleaned up."""
    import signal

    with contextlib.suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _die(name: str, number: int) -> int:
    """End as the signal would have ended the process, so that shells and scripts see it."""
    _drop_stdout()
    if os.name == "posix":
        import signal

        number = getattr(signal, name)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return 128 + number


def _drop_stdout() -> None:
    """What is still buffered can go nowhere; without this Python complains once more at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
