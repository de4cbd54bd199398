"""Adapter: character vectors as an ONNX model, texts in, vectors out. The only module that imports onnx."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import among, flag, path_of
from charvec.dtypes import convert_rows
from charvec.errors import MissingPackage, UsageError, WrongFile
from charvec.plumbing.replacing import check_target, write_whole
from charvec.pooling import pooled_rows
from charvec.reduction import mean_of
from charvec.storage import as_vectors
from charvec.tables import Default, Table, Vocab, table
from charvec.vectors import CharVectors
from charvec.version import __version__

try:
    from onnx import TensorProto, checker, helper, numpy_helper
except ImportError as error:
    raise MissingPackage("E-PACKAGE", "onnx is not installed", help='pip install "charvec[onnx]"') from error

__all__ = ["IR_VERSION", "OPSET", "export", "model"]

#: What runtimes since ONNX 1.8 (2020) take: no operator below is of a later version.
OPSET, ML_OPSET, IR_VERSION = 13, 2, 7

#: A message of Protocol Buffers stays below 2 GiB; some of it is not the matrix.
_MAX_BYTES = (1 << 31) - (1 << 26)


def model(
    vectors: CharVectors | str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    pooling: Literal["mean", "sum", "sif", "stored"] | None = "mean",
    a: float | None = None,
    normalize: bool = False,
    center: bool = False,
    inputs: Literal["ids", "codepoints"] = "ids",
    dtype: str = "float32",
    padding_idx: int | Default | None = Default.PADDING,
    **options: Any,
) -> Any:
    """An ``onnx.ModelProto`` that computes what :meth:`CharVectors.encode` does, summed in float32.

    Its input, ``ids`` or ``codepoints``, is int32 [texts, characters], as :func:`charvec.ids` gives it. Its output,
    ``vectors``, is float32 [texts, dim], or [texts, characters, dim] without a pooling. Padding counts for nothing, not
    even in a mean; a text of padding alone gives zeros. With ids, characters without a vector are passed over when they
    get the id of padding, and each counts as the mean of all vectors when it gets that of ``unk``; onnxruntime refuses
    an id that is no row, and takes negative ones from the end. Code points without a vector are passed over.

    The ids are part of the model, where they cannot come apart from their rows: ``metadata_props`` holds, as JSON,
    ``vocabulary`` {entry: id}, ``padding``, ``unknown`` (ids, or null) and ``source``, the provenance of the vectors.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        vocab: the caller's ids, as for :meth:`CharVectors.matrix_for`; None for :meth:`CharVectors.vocabulary`: pad 0,
            unknown 1, then the characters by code point. No entry twice.
        pooling: ``mean``, ``sum``, ``sif`` or ``stored``, as for :meth:`CharVectors.encode`; None for one row a
            character, zeros for padding. Weights, and a mean to take away, are applied to the rows that are written.
        a: of ``sif``, as there.
        normalize: bring each vector to length 1; one of zeros stays.
        center: take the stored mean away from each row first.
        inputs: ``codepoints`` for a model that looks characters up itself, ``[ord(c) for c in text]`` with -1 as
            padding; ``vocab``, ``padding_idx`` and ``options`` have no meaning then.
        dtype: how the model stores the rows, ``float32``, ``float16`` or ``int8`` with a scale a row; it computes with
            float32.
        padding_idx: the id of padding, whose row is zeros; None for none. When it is not given, it is the id of
            ``pad``, and without a ``pad`` it is 0.
        options: ``pad``, ``unk``, ``pad_id``, ``unk_id``, ``missing`` and ``seed``, as for
            :func:`charvec.tables.table`.

    Returns:
        the model, opset 13 and IR version 7; the same arguments give the same bytes.

    Raises:
        CharvecError, IndexError: as :func:`charvec.tables.table` and :meth:`CharVectors.encode`; ``E-ARGUMENT`` for
            other inputs, and for ids with code points; ``E-VOCAB-IDS`` when an entry has two ids; ``E-DTYPE`` for
            another type; ``E-OVERFLOW`` as :func:`charvec.dtypes.convert_rows`; ``E-PROFILE-SIZE`` for more than ONNX
            can hold.
    """
    vectors = as_vectors(vectors, "model(vectors, vocab)")
    normalize, center = flag(normalize, "normalize"), flag(center, "center")
    if pooling is None and normalize:
        raise UsageError("E-POOLING", "normalize goes with a pooling", help="choose mean, sum or sif")
    if not among(inputs, ("ids", "codepoints")):
        raise UsageError("E-ARGUMENT", f"inputs={inputs!r} is unknown", help="choose ids or codepoints")
    if not among(dtype, ("float32", "float16", "int8")):
        raise UsageError("E-DTYPE", f"dtype={dtype!r} is unknown here", help="choose float32, float16 or int8")
    if pooling is None:
        matrix, kind = vectors.matrix - mean_of(vectors) if center else vectors.matrix, ""
    else:
        matrix, kind = pooled_rows(vectors, pooling, a=a, center=center)
    # what unknown characters get is the mean of the rows as they will be added up
    vectors = replace(vectors, stored=matrix, scales=None, codebooks=None, pca=None, mean=None)
    if inputs == "ids":
        rows = table(vectors, vocab, padding_idx=padding_idx, **options)
    elif vocab is None and padding_idx is Default.PADDING and not options:
        rows = _by_codepoint(vectors)
    else:
        raise UsageError("E-ARGUMENT", "code points as inputs need no ids", help="leave out what is about ids")
    made = _Graph(rows, dtype)
    if inputs == "codepoints":
        made.encode([*vectors.codepoints.tolist(), -1])
    made.look_up("vectors" if pooling is None else "rows")
    if pooling is not None:
        made.pool("pooled" if normalize else "vectors", mean=kind == "mean")
    if normalize:
        made.normalize("vectors")
    shape = ["texts", *(["characters"] if pooling is None else []), vectors.dim]
    graph = helper.make_graph(
        made.nodes,
        "charvec",
        [helper.make_tensor_value_info(inputs, TensorProto.INT32, ["texts", "characters"])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, shape)],
        made.constants,
    )
    domains = [("", OPSET), *([("ai.onnx.ml", ML_OPSET)] if inputs == "codepoints" else [])]
    result = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(*domain) for domain in domains],
        ir_version=IR_VERSION,
        producer_name="charvec",
        producer_version=__version__,
    )
    ids = {piece: row for row, piece in rows.pieces.items()}
    about = {"padding": rows.padding, "unknown": rows.unknown, "vocabulary": ids}
    if inputs == "codepoints":
        about = {"padding": -1, "unknown": None}
    # the same order whatever the version of onnx
    for key, value in {**about, "source": dict(vectors.source)}.items():
        entry = result.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value, sort_keys=key == "source")
    checker.check_model(result)
    return result


def export(
    vectors: CharVectors | str | os.PathLike[str],
    path: str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    overwrite: bool = False,
    **options: Any,
) -> None:
    """Write the model that :func:`model` makes, whole or not at all.

    Args:
        vectors: as for :func:`model`.
        path: the file.
        vocab: as for :func:`model`.
        overwrite: replace the file when it exists.
        options: as for :func:`model`.

    Raises:
        CharvecError, IndexError: as :func:`model`.
        OutputError, PermissionDenied: as :func:`charvec.save`.
        DamagedFile, ReadWriteError: as :func:`charvec.save`; the old file is then untouched.
    """
    path, overwrite = path_of(path, "export(vectors, path, vocab)"), flag(overwrite, "overwrite")
    check_target(path, overwrite=overwrite)
    made = model(vectors, vocab, **options)
    write_whole(path, made.SerializeToString(deterministic=True), overwrite=overwrite)


def _by_codepoint(vectors: CharVectors) -> Table:
    """The rows as they are, and behind them one of zeros for everything else."""
    zeros = np.zeros((1, vectors.dim), np.float32)
    return Table(np.concatenate((vectors.matrix, zeros)), dict(enumerate(vectors.chars)), len(vectors), None)


class _Graph:
    """Nodes and constants, as they come."""

    def __init__(self, rows: Table, dtype: str) -> None:
        if len(set(rows.pieces.values())) != len(rows.pieces):
            # the model could not say which of the two to feed
            raise UsageError("E-VOCAB-IDS", "an entry of the vocabulary has two ids", help="name every entry once")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._padding = rows.padding
        self._ids: np.dtype[Any] = np.dtype(np.int32)
        self._scaled = dtype == "int8"
        self._stored, scales = convert_rows(rows.matrix, dtype)
        if self._stored.nbytes > _MAX_BYTES:
            raise WrongFile(
                "E-PROFILE-SIZE",
                f"{len(self._stored):,} rows of {self._stored.nbytes:,} bytes do not fit into an ONNX model",
                help="use dtype='float16' or 'int8', or fewer characters",
            )
        self.constant("table", self._stored)
        if scales is not None:
            self.constant("scales", scales[:, None])

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """A constant, little-endian whatever the machine."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, *names: str, **attributes: Any) -> None:
        """A node: names of its inputs, then of its output."""
        *given, result = names
        self.nodes.append(helper.make_node(operator, given, [result], name=result, **attributes))

    def encode(self, keys: list[int]) -> None:
        """Ids of code points: their places in a list, whose last one stands for everything else too."""
        self._ids = np.dtype(np.int64)
        self.add("Cast", "codepoints", "keys", to=TensorProto.INT64)  # the operator takes no int32
        lists = {"keys_int64s": keys, "values_int64s": list(range(len(keys)))}
        self.add("LabelEncoder", "keys", "ids", domain="ai.onnx.ml", default_int64=len(keys) - 1, **lists)

    def look_up(self, result: str) -> None:
        """Float32 rows of ids."""
        if self._stored.dtype == np.float32:
            self.add("Gather", "table", "ids", result, axis=0)
            return
        self.add("Gather", "table", "ids", "stored", axis=0)
        self.add("Cast", "stored", "steps" if self._scaled else result, to=TensorProto.FLOAT)
        if self._scaled:
            self.add("Gather", "scales", "ids", "scale", axis=0)
            self.add("Mul", "steps", "scale", result)

    def pool(self, result: str, *, mean: bool) -> None:
        """The sum or mean of the rows of a text. Rows of padding are zeros, which add nothing, but must not count."""
        axis = self.constant("axis", np.array([1], np.int64))
        self.add("ReduceSum", "rows", axis, "sum" if mean else result, keepdims=0)
        if not mean:
            return
        # how many characters of a text are not padding; where there are none, the sum is zeros, and any divisor will do
        if self._padding is None:
            self.add("Equal", "ids", "ids", "known")
        else:
            padding = self.constant("padding", np.array(self._padding, self._ids))
            self.add("Equal", "ids", padding, "padded")
            self.add("Not", "padded", "known")
        self.add("Cast", "known", "ones", to=TensorProto.FLOAT)
        self.add("ReduceSum", "ones", axis, "count", keepdims=1)
        one = self.constant("one", np.array(1, np.float32))
        self.add("Max", "count", one, "divisor")
        self.add("Div", "sum", "divisor", result)

    def normalize(self, result: str) -> None:
        """Length 1; zeros stay, because they are divided by the smallest normal float32."""
        tiny = self.constant("tiny", np.array(np.finfo(np.float32).tiny, np.float32))
        self.add("ReduceL2", "pooled", "norm", axes=[1], keepdims=1)
        self.add("Max", "norm", tiny, "length")
        self.add("Div", "pooled", "length", result)
