"""``charvec tensors``: what is inside a checkpoint, and which tensor ``dump`` would use."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from charvec.commands.common import add_remote_arguments, print_json, say, watch_fetching
from charvec.errors import CharvecError
from charvec.plumbing.terminal import count, escape, size, table

if TYPE_CHECKING:
    from charvec.tensor import Tensor

NAME = "tensors"
HELP = "list the tensors of a checkpoint, and which is the input embedding"


#: How messages send people to this command, and what they say when it is this command that shows them.
_SENT_HERE = (
    ("look with `charvec tensors`, then name", "look through the list, then name"),
    ("`charvec tensors` lists the names", "the list has all names"),
)


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="file, folder or TensorFlow prefix, model on the hub or URL (default: the bundled model)",
    )
    add_remote_arguments(parser)
    parser.add_argument("--tensor", metavar="NAME", help="say whether this tensor could be used")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")


def run(args: Namespace) -> int:
    """Print one line a tensor; the chosen one is marked. Exits as ``dump`` would when none can be chosen."""
    from charvec import checkpoints
    from charvec.embedding import bundled_model, find_embedding, settle_model
    from charvec.projecting import is_projected

    watch_fetching(args.model, args)
    path = settle_model(args.model or bundled_model(), revision=args.revision, download=args.download)
    checkpoint = checkpoints.read(path)
    problem: CharvecError | None = None
    try:
        choice = find_embedding(checkpoint, args.tensor)
    except CharvecError as error:
        problem = error
        # the list that the message sends people to is the one they are reading
        for sent in _SENT_HERE:
            problem.help = problem.help.replace(*sent)
    chosen = None if problem else choice.tensor
    if args.json:
        known = {name: _described(each) for name, each in checkpoint.tensors.items()}
        if chosen:
            known[chosen.name] = _described(chosen)
        print_json(
            {
                "path": checkpoint.path,
                "format": checkpoint.format,
                "tensors": [
                    {
                        "name": name,
                        **known.get(name, {}),
                        **({"file": checkpoint.parts[name]} if name in checkpoint.parts else {}),
                    }
                    for name in checkpoint
                ],
                "embedding": chosen.name if chosen else None,
                "reason": None if problem else choice.reason,
                "quantised": chosen.quantised or None if chosen else None,
                "spaces": ["raw", *(["hidden"] if chosen and is_projected(checkpoint, chosen.name) else [])],
            }
        )
    else:
        say(f"{escape(checkpoint.path)}: {checkpoint.format}, {count(len(checkpoint), 'tensor')}")
        rows = []
        for name in checkpoint:
            tensor = chosen if chosen and chosen.name == name else checkpoint.tensors.get(name)
            mark = "*" if chosen and chosen.name == name else " "
            if tensor is None:
                rows.append([mark, escape(name), "", "in " + escape(checkpoint.parts[name]), ""])
            else:
                shape = " x ".join(map(str, tensor.shape)) or "scalar"
                kind = escape(tensor.quantised or tensor.dtype)
                rows.append([mark, escape(name), shape, kind, size(tensor.nbytes) if tensor.nbytes else ""])
        print(table(rows, right=(2, 4)))
        if not problem:
            say(f"* the input embedding: {escape(choice.reason)}")
            if choice.tensor.quantised:
                say(f"  stored as {escape(choice.tensor.quantised)}")
            if stem := is_projected(checkpoint, choice.tensor.name):
                say(f"  the model multiplies its rows by {escape(stem)} first: --space hidden does so too")
            for note in choice.notes:
                say(f"  {note.code}: {escape(note.message)}")
    if problem:
        raise problem
    return 0


def _described(tensor: Tensor) -> dict[str, object]:
    """What JSON says of a tensor."""
    plain: dict[str, object] = {"shape": list(tensor.shape), "dtype": tensor.dtype}
    return {**plain, "quantised": tensor.quantised} if tensor.quantised else plain
