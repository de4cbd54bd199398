"""Plumbing: which row of the matrix a SentencePiece piece has, and what is done to text before SentencePiece sees it.

In most models the row is the piece's place in the file. Models trained with fairseq moved all pieces, so that the file
alone leads to a neighbour's row; which model it is only its configuration tells. ``tokenizer_class`` of
``tokenizer_config.json`` is believed before that of ``config.json``, and both before ``model_type``.

Source: the tokenizers of transformers 4, ``tokenization_*.py``, one for each class named here.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Literal

from charvec.errors import Ambiguous, DamagedFile, Note
from charvec.plumbing import places
from charvec.plumbing.spelling.japanese import composes
from charvec.plumbing.spelling.normalizer import read_object, tokenizer_name
from charvec.valueclass import dataclass, field

__all__ = ["PieceRows", "read_piece_rows"]

#: Largest shift of rows believed; the largest in use is 103.
MAX_OFFSET = 1_000_000
#: No matrix has more rows.
MAX_ROW = 1 << 31

Form = Literal["NFC", "NFKC"]

#: Tokenizers whose rows are shifted.
OFFSETS = {
    "Barthez": 0,
    "Camembert": 4,
    "LayoutXLM": 1,
    "MBart": 1,
    "MBart50": 1,
    "MLuke": 1,
    "Nllb": 1,
    "PLBart": 1,
    "Pegasus": 103,
    "SeamlessM4T": 1,
    "XGLM": 1,
    "XLMProphetNet": 12,
    "XLMRoberta": 1,
}
#: Tokenizers whose rows are not, and that hand text to SentencePiece as it is.
PLAIN = (
    *("Baichuan", "BertGeneration", "BigBird", "CodeLlama", "Gemma", "InternLM", "InternLM2", "Llama", "MT5"),
    *("Mistral", "Reformer", "RemBert", "SpeechT5", "T5", "UMT5", "Udop", "Yi"),
)
#: Tokenizers that change text first: whether they lower-case unless told otherwise, and whether they strip accents.
CHANGING = {
    "Albert": (True, True),
    "Cpm": (False, True),
    "DebertaV2": (False, False),
    "FNet": (False, False),
    "Siglip": (True, False),
    "XLNet": (False, True),
}
#: What some of them write for single characters, or delete, before anything else.
REPLACED: dict[str, dict[int, str | None]] = {
    # a blank and a line end keep their places as two of the block elements
    "Cpm": {0x20: "\u2582", 0x0A: "\u2583"},
    "GPTSw3": {
        **dict.fromkeys((0x2002, 0x2003, 0x2005, 0x2008, 0x2009, 0x200A, 0x202F, 0x3000, 0xFFFC), " "),
        **dict.fromkeys((*range(9), *range(11, 32), *range(127, 161), 0xAD, 0x200B)),
    },
    "Siglip": dict.fromkeys(map(ord, string.punctuation)),
}
#: Tokenizers that bring text to a normal form of Unicode then.
COMPOSING: dict[str, Form] = {"BertJapanese": "NFKC", "GPTSw3": "NFC"}
#: Tokenizers that number their pieces in ``vocab.json``, and those that do so in yet another way.
NUMBERED = ("M2M100", "Marian", "Speech2Text")
ELSEWHERE = ("Bartpho", "ErnieM")

#: ``model_type`` where no file names the tokenizer, by tokenizer.
_TYPES = {
    "Albert": ("albert", "nystromformer", "yoso"),
    "Barthez": ("barthez",),
    "Bartpho": ("bartpho",),
    "BertGeneration": ("bert-generation",),
    "BigBird": ("big_bird",),
    "Camembert": ("camembert",),
    "CodeLlama": ("code_llama",),
    "Cpm": ("cpm",),
    "DebertaV2": ("deberta-v2",),
    "ErnieM": ("ernie_m",),
    "FNet": ("fnet",),
    "GPTSw3": ("gpt-sw3",),
    "Gemma": ("gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n", "gemma3n_text", "recurrent_gemma", "t5gemma"),
    "LayoutXLM": ("layoutxlm",),
    "Llama": ("llama", "mistral", "mixtral", "persimmon", "phi3", "idefics", "jamba"),
    "M2M100": ("m2m_100",),
    "MBart": ("mbart",),
    "MBart50": ("mbart50",),
    "MLuke": ("mluke",),
    "Marian": ("marian",),
    "Nllb": ("nllb", "nllb-moe"),
    "PLBart": ("plbart",),
    "Pegasus": ("pegasus", "pegasus_x", "bigbird_pegasus"),
    "Reformer": ("reformer",),
    "RemBert": ("rembert",),
    "SeamlessM4T": ("seamless_m4t", "seamless_m4t_v2"),
    "Siglip": ("siglip",),
    "Speech2Text": ("speech_to_text",),
    "SpeechT5": ("speecht5",),
    "T5": ("longt5", "mt5", "musicgen", "musicgen_melody", "pix2struct", "switch_transformers", "t5", "umt5"),
    "Udop": ("udop",),
    "XGLM": ("xglm",),
    "XLMProphetNet": ("xlm-prophetnet",),
    "XLMRoberta": (
        *("gte", "jina_embeddings_v3", "kosmos-2", "metaclip_2", "xlm-roberta", "xlm-roberta-xl", "xmod"),
        "trocr",
    ),
    "XLNet": ("xlnet",),
}
MODEL_TYPES = {kind: tokenizer for tokenizer, kinds in _TYPES.items() for kind in kinds}

#: What fairseq calls its SentencePiece file, and no other toolkit does.
FAIRSEQ_FILE = "sentencepiece.bpe.model"


@dataclass
class PieceRows:
    """What the files beside a SentencePiece model say of it.

    Attributes:
        tokenizer: name of the tokenizer without its ending, e.g. ``XLMRoberta``; "" when unknown.
        offset: added to a piece's place in the file.
        rows: row id of every piece, where another file numbers them; else None.
        lowercase: whether text is lower-cased first.
        strip_accents: whether text is decomposed and combining marks are dropped first.
        squeeze: whether every white space becomes a plain space first.
        replaced: what is written for some characters, by code point, before all that; None for nothing.
        form: the normal form that text is brought to after all that; None for none.
        config: all that ``tokenizer_config.json`` says.
        files: the files that were read.
        notes: remarks for the user.
    """

    tokenizer: str = ""
    offset: int = 0
    rows: dict[str, int] | None = None
    lowercase: bool = False
    strip_accents: bool = False
    squeeze: bool = False
    replaced: dict[int, str | None] = field(default_factory=dict)
    form: Form | None = None
    config: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def prepare(self) -> Callable[[str], str] | None:
        """What a character becomes before SentencePiece sees it, or None when it stays as it is."""
        if not (self.lowercase or self.strip_accents or self.squeeze or self.replaced or self.form):
            return None

        def changed(char: str) -> str:
            char = char.translate(self.replaced)
            if self.squeeze and char.isspace():
                return " "
            if self.strip_accents:
                decomposed = unicodedata.normalize("NFKD", char)
                char = "".join(each for each in decomposed if not unicodedata.combining(each))
            char = char.lower() if self.lowercase else char
            return unicodedata.normalize(self.form, char) if self.form else char

        return changed


def read_piece_rows(path: str, lowercase: bool | None, pieces: Sequence[str] = ()) -> PieceRows:
    """Read what lies beside the SentencePiece file ``path``.

    Args:
        path: the file.
        lowercase: overrides what the configuration says, unless None.
        pieces: the pieces of the file; of a tokenizer that is not known, their places are compared with the ids that
            the files beside it give to some of them.

    Raises:
        Ambiguous: ``E-PIECE-ROWS`` when row ids are kept elsewhere, or nothing known tells whether they are shifted
            although the file's name says that they may be, or an id beside it is not the piece's place.
        DamagedFile: ``E-TOKENIZER`` when a configuration file is damaged; ``E-JSON-DUPKEY``, ``E-TRUNCATED``.
        CharvecError: as :func:`charvec.plumbing.spelling.normalizer.read_object`.
    """
    result = PieceRows()
    tokenizer_config = _read_object(places.join(places.parent(path), "tokenizer_config.json"), result)
    config = _read_object(places.join(places.parent(path), "config.json"), result)
    name = _name(tokenizer_config, config)
    result.tokenizer, result.config = name, tokenizer_config
    if name in NUMBERED:
        result.rows = _numbers(places.join(places.parent(path), "vocab.json"), result)
    if name in ELSEWHERE or result.rows == {}:
        raise Ambiguous(
            "E-PIECE-ROWS",
            f"{path} belongs to a {name} tokenizer, whose row ids are not those of the file",
            path=path,
            found="no vocab.json beside it numbers the pieces"
            if name in NUMBERED
            else "another file numbers the pieces",
            help="put the whole folder together, or name the model's tokenizer.json with --vocab, if it has one",
        )
    if name in OFFSETS:
        result.offset = OFFSETS[name]
        if name == "Pegasus":
            result.offset = _offset(tokenizer_config, path)
    elif name in CHANGING:
        result.lowercase, result.strip_accents = CHANGING[name]
        result.squeeze = name != "DebertaV2" and tokenizer_config.get("remove_space") is not False
        said = tokenizer_config.get("do_lower_case")
        result.lowercase = said if isinstance(said, bool) else result.lowercase
        if result.strip_accents and isinstance(tokenizer_config.get("keep_accents"), bool):
            result.strip_accents = not tokenizer_config["keep_accents"]
    elif name not in (*PLAIN, *COMPOSING) and result.rows is None:
        if places.base_name(path) == FAIRSEQ_FILE:
            raise Ambiguous(
                "E-PIECE-ROWS",
                f"the tokenizer {name!r} of {path} is none charvec knows, so its row ids are not known"
                if name
                else f"nothing beside {path} says which model it belongs to, so its row ids are not known",
                path=path,
                found="models that name it so shift all rows, by 1 (XLM-R, mBART) or by 4 (CamemBERT)",
                help="name the model's tokenizer.json with --vocab, if it has one"
                if name
                else "put the model's config.json or tokenizer_config.json beside it",
            )
        said_by = f"the tokenizer {name!r} is none charvec knows" if name else "no configuration lies beside it"
        agreeing = _agreeing(path, pieces, tokenizer_config, config, result)
        if agreeing:
            said_by += f"; so far it agrees: the ids of {', '.join(map(repr, agreeing[:4]))} are their places"
        result.notes.append(
            Note("W-PIECE-ROWS", f"{path}: row ids are taken to be the pieces' places in the file; {said_by}", path)
        )
    result.replaced, result.form = REPLACED.get(name, {}), COMPOSING.get(name)
    if name == "BertJapanese" and not composes(tokenizer_config):
        result.form = None
    if lowercase is not None:
        result.lowercase = lowercase
    return result


def _agreeing(
    path: str, pieces: Sequence[str], tokenizer_config: dict[str, Any], config: dict[str, Any], result: PieceRows
) -> list[str]:
    """Pieces whose ids the files beside a model give, each its place.

    Raises:
        Ambiguous: ``E-PIECE-ROWS`` when an id is that of another piece: then rows are shifted, by nobody knows what.
    """
    folder = places.parent(path)
    sources = {"added_tokens.json": _read_object(places.join(folder, "added_tokens.json"), result)}
    decoder = tokenizer_config.get("added_tokens_decoder")
    sources["tokenizer_config.json"] = {
        token["content"]: int(number[:19])
        for number, token in (decoder.items() if isinstance(decoder, dict) else ())
        if isinstance(token, dict) and isinstance(token.get("content"), str) and number.isdecimal()
    }
    names = _read_object(places.join(folder, "special_tokens_map.json"), result) | tokenizer_config
    sources["config.json"] = {}
    for role in ("bos", "eos", "unk"):
        token, row = names.get(f"{role}_token"), config.get(f"{role}_token_id")
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and type(row) is int:
            sources["config.json"][token] = row
    own = {piece: place for place, piece in enumerate(pieces)}
    agreeing: dict[str, None] = {}
    for source, numbers in sources.items():
        for token, number in numbers.items():
            place = own.get(token)
            if place is None or type(number) is not int:
                continue
            if place != number:
                raise Ambiguous(
                    "E-PIECE-ROWS",
                    f"{path} has {token[:80]!r} at {place}, {source} beside it says {number}: row ids are not the "
                    "places in the file",
                    path=path,
                    found="the tokenizer is none charvec knows, so nothing tells how its rows are shifted",
                    help="name the model's tokenizer.json with --vocab, if it has one",
                )
            agreeing[token] = None
    return list(agreeing)


def _name(tokenizer_config: dict[str, Any], config: dict[str, Any]) -> str:
    """Name of the tokenizer, without the endings ``Tokenizer`` and ``TokenizerFast``."""
    if name := tokenizer_name(tokenizer_config, config):
        return name
    kind = config.get("model_type")
    return MODEL_TYPES.get(kind, kind[:80]) if isinstance(kind, str) else ""


def _offset(config: dict[str, Any], path: str) -> int:
    offset = config.get("offset", OFFSETS["Pegasus"])
    if type(offset) is not int or not 0 <= offset <= MAX_OFFSET:
        raise DamagedFile(
            "E-TOKENIZER",
            f"the offset that tokenizer_config.json beside {path} gives is {str(offset)[:40]!r}",
            path=path,
            help="download the file again",
        )
    return offset


def _numbers(path: str, result: PieceRows) -> dict[str, int]:
    """The row ids of a ``vocab.json``; none when there is no such file."""
    rows = _read_object(path, result)
    if any(type(row) is not int or not 0 <= row < MAX_ROW for row in rows.values()):
        raise DamagedFile(
            "E-TOKENIZER", f"{path}: an id is no row of a matrix", path=path, help="download the file again"
        )
    return rows


def _read_object(path: str, result: PieceRows) -> dict[str, Any]:
    """The object of a configuration file; an empty one when there is no such file."""
    if not places.exists(path):
        return {}
    result.files.append(path)
    return read_object(path)
