"""Family: the commands. One file each: what it is for, its arguments, and a library call plus printing.

To add a command: write one module with :class:`Member`'s parts and put its name, which is what the user types, into
:data:`MEMBERS`. Modules import nothing heavy at their top, so that ``charvec --help`` stays instant; a command imports
only its own.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from importlib import import_module
from typing import Protocol, cast

__all__ = ["MEMBERS", "Member", "member"]


class Member(Protocol):
    """What every module of this folder offers."""

    #: What the user types.
    NAME: str
    #: One line for the list of commands.
    HELP: str

    def arguments(self, parser: ArgumentParser) -> None:
        """Add the command's own arguments."""

    def run(self, args: Namespace) -> int:
        """Do it and print; the exit code.

        Raises:
            CharvecError: whatever the library raises.
        """


#: Every command, in the order of ``charvec --help``.
MEMBERS = (
    "dump",
    "scan",
    "coverage",
    "tensors",
    "info",
    "verify",
    "convert",
    "update",
    "merge",
    "diff",
    "trim",
    "encode",
    "similar",
    "nearest",
    "map",
    "explain",
    "env",
)


def member(name: str) -> Member:
    """The command of that name."""
    return cast(Member, import_module(f"charvec.commands.{name}"))
