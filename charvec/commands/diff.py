"""``charvec diff``: which characters came, went or changed between two vector files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from charvec.commands.common import fields, print_json
from charvec.plumbing.terminal import count, escape, json_text, number, shown, table

if TYPE_CHECKING:
    from charvec.comparing import Change, Difference

NAME = "diff"
HELP = "which characters came, went or changed between two vector files"

#: Characters named in each line or table of the summary; a line then fits a terminal.
NAMED = 5


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("before", metavar="A", help="vector file of any format")
    parser.add_argument("after", metavar="B", help="the other")
    parser.add_argument("--all", action="store_true", help="name every character, not only the first of each kind")
    parser.add_argument("--json", action="store_true", help="JSON, with everything")


def run(args: Namespace) -> int:
    """Print the difference; exit 1 when there is one in the characters or their vectors."""
    from charvec.comparing import diff
    from charvec.storage import load

    difference = diff(load(args.before), load(args.after))
    if args.json:
        print_json(difference.as_dict())
    elif not args.quiet:
        print(_summary(difference, None if args.all else NAMED))
    return 1 if difference else 0


def _summary(difference: Difference, most: int | None) -> str:
    changed = count(len(difference.changed), "character")
    alike = difference.dim[0] == difference.dim[1]
    rows = [
        ["equal" if alike else "in both", count(difference.equal if alike else difference.common, "character")],
        ["came", _list(difference.came, most)],
        ["went", _list(difference.went, most)],
    ]
    if alike:
        rows.append(["changed", changed + (f", only by {_how(difference)}" if difference.rounding else "")])
    if difference.counts:
        rows.append(["counts", f"{count(len(difference.counts), 'character')} with another number of occurrences"])
    if not alike:
        dims = " -> ".join(map(str, difference.dim))
        rows.append(["dimensions", f"{dims}; such vectors cannot be compared, only the characters were"])
    if len(set(difference.dtype)) > 1:
        rows.append(["element type", " -> ".join(difference.dtype)])
    if difference.origin:
        rows.append(["model", f"another {', '.join(difference.origin)}"])
    rows += [[f"option {key}", f"{_option(old)} -> {_option(new)}"] for key, (old, new) in difference.options.items()]
    lines = [fields([[escape(name), escape(text)] for name, text in rows])]
    if difference.changed:
        lines += ["", "changed, the most different first", _table(difference.changed[:most])]
        if most is not None and len(difference.changed) > most:
            lines.append(f"  and {number(len(difference.changed) - most)} more (--all names them)")
    return "\n".join(lines)


def _how(difference: Difference) -> str:
    return "quantisation" if "pq" in difference.dtype else "rounding"


def _option(value: Any) -> str:
    """A setting as it would stand in JSON, ``none`` where there is none."""
    return "none" if value is None else value if isinstance(value, str) else json_text(value)


def _list(chars: Sequence[str], most: int | None) -> str:
    if not chars:
        return "none"
    named = ", ".join(map(shown, chars[:most]))
    more = len(chars) - most if most is not None else 0
    return f"{count(len(chars), 'character')}: {named}" + (f" and {number(more)} more" if more > 0 else "")


def _table(changes: Sequence[Change]) -> str:
    rows = [["character", "largest", "cosine", "status", "rows"]]
    for change in changes:
        status = " -> ".join(each.label for each in change.status) if change.status else ""
        ids = " -> ".join(" ".join(map(str, each)) for each in change.rows) if change.rows else ""
        rows.append([f"  {shown(change.char)}", f"{change.largest:.3g}", f"{change.cosine:.6f}", status, ids])
    return table(rows, right=(1, 2))
