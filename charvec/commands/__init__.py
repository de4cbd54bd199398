"""Family: the commands. One file each: what it is for, its arguments, and a library call plus printing.

To add a command: write one module with :class:`Member`'s parts and put its name into :data:`MEMBERS`. Modules import
nothing heavy at their top, so that ``charvec --help`` stays instant.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Protocol

from charvec.commands import convert, coverage, dump, explain, info, nearest, scan, similar, tensors, verify

__all__ = ["MEMBERS", "Member"]


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


MEMBERS: tuple[Member, ...] = (dump, scan, coverage, tensors, info, verify, convert, similar, nearest, explain)
