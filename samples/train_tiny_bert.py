#!/usr/bin/env python3
"""Train the small BERT of ``samples/tiny-bert-zh`` from Debian packages of CJK text.

Three steps, each a subcommand:

``corpus DEBS CORPUS``
    Read the text out of ``*.deb`` files, clean it and split it into training and validation.
``train CORPUS MODEL``
    Build ``vocab.txt`` and train a two-layer BERT by masked-language modelling for a given time.
``report MODEL``
    Work out the figures of ``MODEL/README.md`` from the saved float16 file.

The packages are fetched beforehand, in an empty directory, with ``apt-get download`` (the names
are the keys of ``SOURCES``; nothing is installed). Besides ``dpkg-deb`` the script needs
``torch``, ``transformers``, ``tokenizers``, ``safetensors`` and ``numpy``.
"""

from __future__ import annotations

import argparse
import gettext
import gzip
import hashlib
import html
import io
import json
import math
import re
import subprocess
import tarfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

LANGUAGES = ("zh-hans", "zh-hant", "ja", "ko")
SPLITS = ("train", "valid")
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Package name (a prefix, since Wesnoth has one package per campaign) -> how to read it.
SOURCES = {
    "fortunes-zh": "fortune",
    "manpages-zh": "troff",
    "libreoffice-help-": "html",
    "wesnoth-1.16-": "gettext",
}
FOLDERS = {"zh-CN": "zh-hans", "zh-TW": "zh-hant", "ja": "ja", "ko": "ko"}
CJK = re.compile(r"[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
# Always in the vocabulary, however rare in the corpus.
PUNCTUATION = (
    "“”‘’…—–·、。，！？；：（）【】《》〈〉「」『』〔〕〖〗～￥•※→←↑↓★☆○●◎◇◆□■△▲▽▼♪〒"
    "×÷±≠≤≥∞°℃§€£¥©®™㎡㎏㎜㎝㎞々〆〇゛゜ー・①②③④⑤⑥⑦⑧⑨⑩ⅠⅡⅢⅣⅤ"
)


# ---------------------------------------------------------------------------------- corpus


def html_lines(text: str) -> list[str]:
    """Return the paragraphs of one LibreOffice help page."""
    # Only the article: menus, search box and footer are the same on every page.
    text = text.partition('id="DisplayArea"')[2].partition('id="SearchFrame"')[0]
    text = text.partition(">")[2]
    text = re.sub(r"(?s)<(script|style|pre|button)\b.*?</\1>", " ", text)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"</(p|h[1-6]|li|td|th|div|dt|dd)>|<br\s*/?>", "\n", text)
    return html.unescape(re.sub(r"<[^>]*>", "", text)).split("\n")


def troff_lines(text: str) -> list[str]:
    """Return the paragraphs of a manual page, with the hard line breaks undone."""
    paragraphs = [""]
    for line in text.split("\n"):
        line = re.sub(r"\\f(\[[^]]*\]|\(..|.)|\\s[-+]?\d|\\[&|^/,c%]", "", line)
        line = re.sub(r"\\\*?(\[[^]]*\]|\(..)|\\\*.", " ", line.replace(r"\-", "-"))
        line = line.replace(r"\e", "\\").replace("\\ ", " ").replace("\\", "").strip()
        request = re.match(r"[.'](\S*)\s*(.*)", line)
        if request:
            name, rest = request.groups()
            if name in ("B", "I", "BR", "IR", "RB", "RI", "BI", "IB", "Nm", "Ar", "Fl", "Pa"):
                line = rest.replace('"', "")
            else:
                headings = ("SH", "SS", "Sh", "Ss")
                paragraphs += [rest.replace('"', "") if name in headings else "", ""]
                continue
        if not line:
            paragraphs.append("")
            continue
        # A break between two ideographs stands for nothing, any other one for a space.
        glue = bool(CJK.match(line) and re.search(r"[^\x00-\x7f]$", paragraphs[-1]))
        paragraphs[-1] += line if glue or not paragraphs[-1] else " " + line
    return paragraphs


def fortune_documents(text: str) -> Iterator[list[str]]:
    """Yield the fortunes of one file; prose is unwrapped, verse stays in lines."""
    text = re.sub(r"\x1b\[[\d;]*m", "", text)
    for fortune in text.split("\n%"):
        # Only full lines were wrapped, so a long line goes on and a short one ends there.
        joined = re.sub(r"(?<=[^\n]{28})(?<=[\u3400-\u9fff，、])\n(?=[\u3400-\u9fff])", "", fortune)
        yield joined.split("\n")


def package_documents(deb: Path, kind: str) -> Iterator[tuple[str, list[str]]]:
    """Yield ``(language, lines)`` for the documents in one package, in archive order."""
    unpack = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with (
        subprocess.Popen(unpack, stdout=subprocess.PIPE) as pipe,
        tarfile.open(fileobj=pipe.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if not member.isfile():
                continue
            parts = member.name.split("/")
            folder = next(filter(None, (FOLDERS.get(p.replace("_", "-")) for p in parts)), "")
            name = parts[-1]
            if kind == "fortune" and "fortunes" in parts and "." not in name:
                text = archive.extractfile(member).read().decode("utf-8", "replace")
                yield from (("zh-hans", lines) for lines in fortune_documents(text))
            elif kind == "troff" and folder and "man" in parts and name.endswith(".gz"):
                data = gzip.decompress(archive.extractfile(member).read())
                yield folder, troff_lines(data.decode("utf-8", "replace"))
            elif kind == "html" and folder and name.endswith(".html"):
                yield folder, html_lines(archive.extractfile(member).read().decode("utf-8"))
            elif kind == "gettext" and folder and name.endswith(".mo"):
                data = io.BytesIO(archive.extractfile(member).read())
                catalogue = gettext.GNUTranslations(data)._catalog  # the only way to list it
                texts = [value for key, value in catalogue.items() if key]
                for start in range(0, len(texts), 32):
                    joined = "\n".join(texts[start : start + 32])
                    yield folder, re.sub(r"<[^>]*>|\$\|?[\w.]+;?", " ", joined).split("\n")


def clean(line: str) -> str:
    """Collapse white space and drop what is not mostly Chinese, Japanese or Korean."""
    line = " ".join(unicodedata.normalize("NFC", line).split())
    cjk = len(CJK.findall(line))
    return line if cjk >= 3 and cjk >= 0.4 * len(line.replace(" ", "")) else ""


def make_corpus(debs: Path, out: Path) -> None:
    """Write ``LANGUAGE.train.txt`` and ``LANGUAGE.valid.txt``; a blank line ends a document."""
    out.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    packages: dict[str, str] = {}
    texts: dict[tuple[str, str], list[str]] = {(x, y): [] for x in LANGUAGES for y in SPLITS}
    for deb in sorted(debs.glob("*.deb")):
        fields = ["dpkg-deb", "-f", str(deb)]
        package = subprocess.check_output([*fields, "Package"], text=True).strip()
        kind = next((k for prefix, k in SOURCES.items() if package.startswith(prefix)), None)
        if kind is None:
            continue
        packages[package] = subprocess.check_output([*fields, "Version"], text=True).strip()
        for language, lines in package_documents(deb, kind):
            kept = []
            for line in map(clean, lines):
                if line and line not in seen:
                    seen.add(line)
                    kept.append(line)
            if kept:
                # The split hangs on the text alone, so that more packages do not reshuffle it.
                digest = hashlib.sha256("\n".join(kept).encode()).digest()
                texts[language, SPLITS[digest[0] < 6]].append("\n".join(kept) + "\n")
    characters: dict[str, dict[str, int]] = {}
    for (language, split), documents in texts.items():
        text = "\n".join(documents)
        (out / f"{language}.{split}.txt").write_text(text, encoding="utf-8", newline="\n")
        characters.setdefault(language, {})[split] = len(re.sub(r"\s", "", text))
    summary = {"packages": packages, "characters": characters, "lines": len(seen)}
    (out / "corpus.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


# ------------------------------------------------------------------------------ vocabulary


def count_places(lines: list[str]) -> tuple[Counter[str], Counter[str]]:
    """Count each character as the first of a word and as a later one, in BERT's sense."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer = BertNormalizer(lowercase=False, strip_accents=False)
    splitter = BertPreTokenizer()
    first: Counter[str] = Counter()
    later: Counter[str] = Counter()
    for line in lines:
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(line)):
            first[word[0]] += 1
            later.update(word[1:])
    return first, later


def make_vocabulary(lines: list[str]) -> tuple[list[str], dict[str, list[int]]]:
    """Return the pieces in order, and per class ``[pieces, pieces seen < 3 times]``."""
    first, later = count_places(lines)
    total = first + later
    spans = ((range(0xB0, 0xD8), range(0xA1, 0xFF)), (range(0xA4, 0xC7), range(0x40, 0xFF)))
    levels = []
    for encoding, (leads, trails) in zip(("gb2312", "big5"), spans, strict=True):
        pairs = (bytes((lead, trail)).decode(encoding, "ignore") for lead in leads for trail in trails)
        levels.append({c for c in pairs if "\u4e00" <= c <= "\u9fff"})
    simplified, common = levels[0], levels[0] | levels[1]

    def wanted(c: str) -> bool:
        return c in simplified or total[c] >= (4 if c in common else 15)

    seen = sorted(c for c in total if total[c] >= 3)
    symbols = {c for c in seen if unicodedata.category(c)[0] in "PS"} | set(PUNCTUATION)
    classes = {
        "ASCII": [chr(i) for i in range(0x21, 0x7F)],
        "full-width ASCII": [chr(i) for i in range(0xFF01, 0xFF5F)],
        "hiragana": [chr(i) for i in range(0x3041, 0x3097)],
        "katakana": [chr(i) for i in range(0x30A1, 0x30FB)],
        "hangul": [c for c in seen if "\uac00" <= c <= "\ud7a3"],
        "ideographs": [chr(i) for i in range(0x3400, 0xA000) if wanted(chr(i))],
    }
    taken = {c for members in classes.values() for c in members}
    classes["punctuation and symbols"] = sorted(symbols - taken)
    pieces = [*SPECIALS, *(c for members in classes.values() for c in members)]
    sizes = {k: [len(v), sum(total[c] < 3 for c in v)] for k, v in classes.items()}
    sizes = {"special": [len(SPECIALS), 0], **sizes}
    # BERT sets ideographs and punctuation apart as words of their own, so that "##" goes only
    # with what it leaves joined; of that, symbols only when the corpus has them joined.
    whole = ("ASCII", "hiragana", "katakana", "hangul")
    joined = [c for k in whole for c in classes[k] if count_places(["a" + c])[1]]
    others = (c for k, v in classes.items() if k not in whole for c in v)
    joined += [c for c in others if later[c] >= 3]
    sizes["continuations (##)"] = [len(joined), sum(later[c] < 3 for c in joined)]
    return pieces + ["##" + c for c in joined], sizes


# -------------------------------------------------------------------------------- training


def read_lines(corpus: Path, language: str, split: str) -> list[str]:
    """Return the non-empty lines of one corpus file."""
    text = (corpus / f"{language}.{split}.txt").read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line]


def encode(tokenizer, lines: list[str]) -> np.ndarray:
    """Return the ids of all lines as one stream, with [SEP] after each line."""
    stream: list[int] = []
    for encoding in tokenizer.backend_tokenizer.encode_batch(lines, add_special_tokens=False):
        stream += encoding.ids
        stream.append(SPECIALS.index("[SEP]"))
    return np.array(stream, dtype=np.int64)


def language_shares(streams: dict[str, np.ndarray]) -> np.ndarray:
    """Return the sampling weights: size ** 0.7, the two Chinese scripts together >= 0.55."""
    weights = np.array([len(streams[x]) ** 0.7 for x in LANGUAGES])
    weights /= weights.sum()
    chinese = weights[:2].sum()
    if chinese < 0.55:
        weights[:2] *= 0.55 / chinese
        weights[2:] *= 0.45 / (1 - chinese)
    return weights


def draw_batch(streams, shares, size, length, pieces, rng):
    """Return ``(input ids, places of the targets in the flattened batch, targets)``."""
    batch = np.full((size, length), SPECIALS.index("[SEP]"))
    batch[:, 0] = SPECIALS.index("[CLS]")
    for row, which in zip(batch, rng.choice(len(LANGUAGES), size, p=shares), strict=True):
        stream = streams[LANGUAGES[which]]
        start = rng.integers(len(stream) - length)
        row[1:-1] = stream[start : start + length - 2]
    ids = batch.reshape(-1)
    places = np.flatnonzero((ids >= len(SPECIALS)) & (rng.random(ids.size) < 0.15))
    targets = ids[places].copy()
    # 80 % of the targets are hidden, 10 % replaced and 10 % left, as in the BERT paper.
    action = rng.random(places.size)
    ids[places[action < 0.8]] = SPECIALS.index("[MASK]")
    swap = places[action >= 0.9]
    ids[swap] = rng.integers(len(SPECIALS), pieces, swap.size)
    return batch, places, targets


def save(model, folder: Path) -> None:
    """Write the encoder, in float16, as ``model.safetensors``; the file is replaced at once.

    The softmax and the sum of the input embeddings do not change when a vector moves from all
    rows of the word embedding to the only row used of the segment embedding. The mean row is
    moved so, for the cosine of two rows then tells them apart instead of showing what all share.
    """
    import torch
    from safetensors.torch import save_file

    state = {k: v.detach().clone() for k, v in model.bert.state_dict().items()}
    words, segments = "embeddings.word_embeddings.weight", "embeddings.token_type_embeddings.weight"
    mean = state[words][len(SPECIALS) :].mean(0)
    state[words] -= mean
    state[segments] += mean
    tensors = {k: v.to(torch.float16).contiguous() for k, v in state.items() if "position_ids" not in k}
    unfinished = folder / "model.tmp"
    save_file(tensors, unfinished, metadata={"format": "pt"})
    unfinished.chmod(0o644)
    unfinished.replace(folder / "model.safetensors")


def train(corpus: Path, folder: Path, minutes: float, seed: int, bfloat16: bool) -> None:
    """Train for ``minutes`` of wall time and write the model folder."""
    import tokenizers
    import torch
    import transformers
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    size, length, peak, every = 32, 128, 2e-3, 100
    lines = {(x, y): read_lines(corpus, x, y) for x in LANGUAGES for y in SPLITS}
    pieces, sizes = make_vocabulary([t for x in LANGUAGES for t in lines[x, "train"]])
    vocabulary = "".join(piece + "\n" for piece in pieces)
    (folder / "vocab.txt").write_text(vocabulary, encoding="utf-8", newline="\n")
    settings = {
        "do_lower_case": False,
        "strip_accents": False,
        "tokenize_chinese_chars": True,
        "tokenizer_class": "BertTokenizer",
        "model_max_length": length,
    }
    write_json(folder / "tokenizer_config.json", settings)
    tokenizer = BertTokenizer.from_pretrained(folder)
    streams = {y: {x: encode(tokenizer, lines[x, y]) for x in LANGUAGES} for y in SPLITS}
    unknown = {x: float((streams["train"][x] == 1).mean()) for x in LANGUAGES}
    shares = language_shares(streams["train"])

    torch.manual_seed(seed)
    torch.set_num_threads(2)
    rng = np.random.default_rng(seed)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        max_position_embeddings=length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",  # with bfloat16 the fastest of the choices on a CPU
        initializer_range=0.06,  # 0.02 suits 768 columns; with 128 the attention would start flat
        architectures=["BertModel"],
    )
    config.save_pretrained(folder)
    model = BertForMaskedLM(config)
    # Places start as waves, not noise: the heads find the neighbouring characters much sooner.
    angles = np.arange(length)[:, None] / 10000.0 ** (np.arange(0, 128, 2) / 128)
    waves = np.stack([np.sin(angles), np.cos(angles)], 2).reshape(length, 128)
    counts = np.bincount(np.concatenate(list(streams["train"].values())), minlength=len(pieces))
    with torch.no_grad():  # start from the frequencies, so that the rows need not learn them
        model.cls.predictions.bias.copy_(torch.from_numpy(np.log((counts + 1) / counts.sum())))
        model.bert.embeddings.position_embeddings.weight.copy_(torch.from_numpy(0.2 * waves))
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=peak,
        betas=(0.9, 0.98),
    )

    def loss_of(batch) -> tuple[torch.Tensor, float]:
        ids, places, targets = (torch.from_numpy(x) for x in batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            hidden = model.bert(ids).last_hidden_state.reshape(-1, config.hidden_size)
            logits = model.cls(hidden[places]).float()
        loss = torch.nn.functional.cross_entropy(logits, targets)
        return loss, (logits.argmax(1) == targets).float().mean().item()

    held_out = np.random.default_rng(seed + 1)
    arguments = (size, length, len(pieces))
    valid = [draw_batch(streams["valid"], shares, *arguments, held_out) for _ in range(32)]

    def validate() -> list[float]:
        with torch.no_grad():
            return np.mean([(loss.item(), hit) for loss, hit in map(loss_of, valid)], 0).tolist()

    curve: list[dict[str, float]] = []  # the first save comes after 180 s, then every 300 s
    start, saved, step, recent = time.monotonic(), -120.0, 0, []

    def write(finished: bool) -> None:
        save(model, folder)
        loss, accuracy = validate()
        figures = {
            "finished": finished,
            "seed": seed,
            "steps": step,
            "tokens": step * size * length,
            "wall_seconds": round(time.monotonic() - start),
            "batch": [size, length],
            "peak_learning_rate": peak,
            "bfloat16_autocast": bfloat16,
            "final": {
                "train_loss": curve[-1]["train_loss"],
                "train_accuracy": curve[-1]["train_accuracy"],
                "valid_loss": round(loss, 4),
                "valid_accuracy": round(accuracy, 4),
            },
            "parameters": sum(p.numel() for p in model.bert.parameters()),
            "pieces": {"total": len(pieces), "[count, seen fewer than 3 times]": sizes},
            "language_shares": dict(zip(LANGUAGES, shares.round(4).tolist(), strict=True)),
            "stream_tokens": {y: {x: len(s) for x, s in v.items()} for y, v in streams.items()},
            "unknown_share": {k: round(v, 5) for k, v in unknown.items()},
            "versions": {m.__name__: m.__version__ for m in (torch, transformers, tokenizers, np)},
            "corpus": json.loads((corpus / "corpus.json").read_text(encoding="utf-8")),
            "curve": curve,
        }
        write_json(folder / "training.json", figures)

    while (spent := time.monotonic() - start) < 60 * minutes:
        # The schedule follows the clock: the run ends on time whatever the machine.
        done = spent / (60 * minutes)
        rate = peak * min(1.0, (step + 1) / 200) * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, hit = loss_of(draw_batch(streams["train"], shares, *arguments, rng))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        recent.append((loss.item(), hit))
        if step % every == 0:
            means = np.mean(recent, 0).round(4).tolist()
            row = {"step": step, "seconds": round(spent), "rate": round(rate, 6)}
            row |= {"train_loss": means[0], "train_accuracy": means[1]}
            recent.clear()
            if step % (5 * every) == 0:
                row["valid_loss"], row["valid_accuracy"] = np.round(validate(), 4).tolist()
            curve.append(row)
            print(json.dumps(row), flush=True)
            if spent - saved > 300:
                write(finished=False)
                saved = spent
    write(finished=True)


def write_json(path: Path, data: object) -> None:
    """Write ``data`` indented, one row of the loss curve a line."""
    text = json.dumps(data, indent=1, ensure_ascii=False)
    text = re.sub(r"\{\s+(\"step\"[^}]*?)\s+\}", lambda m: "{" + " ".join(m[1].split()) + "}", text)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


# ---------------------------------------------------------------------------------- report

PROBES = "7三十かノ학年水山海春火東左上母目手红金走馬说國语電門。“AZx"
GROUPS = {
    "ASCII digits": "0123456789",
    "Chinese numerals": "一二三四五六七八九十百千",
    "seasons and time": "春夏秋冬朝夜晨昏",
    "calendar": "年月日时時分秒周",
    "directions": "东西南北東",
    "positions": "上下左右前后後内外",
    "body": "手足头目耳口鼻心",
    "family": "父母兄弟姐妹子女",
    "water and nature": "水河江海山川林石",
    "metals": "金银銀铜铁鐵钢",
    "colours": "红紅黄蓝藍绿綠白黑",
    "verbs of motion": "走跑来來去进出行",
    "animals": "牛馬马羊狗鸟魚龙",
    "full stops and marks": "。！？，；：、",
    "brackets and quotes": "「」『』（）“”",
    "hiragana": "かきくけこさしすせそ",
    "katakana": "アイウエオカキクケコ",
    "hangul particles": "은는이가을를에의",
    "Latin capitals": "ABCDEFGHIJ",
    "Latin small letters": "abcdefghij",
    "units": "米克斤里尺寸吨元",
    "pronouns": "我你他她您它们們",
}


def table(header: str, rows: Iterable[Iterable[object]]) -> list[str]:
    """Return a Markdown table and an empty line; ``header`` has the columns with ``|`` between."""
    lines = [header, " | ".join("---" for _ in header.split("|"))]
    lines += [" | ".join(str(x).replace("|", "&#124;") for x in row) for row in rows]
    return [f"| {line} |" for line in lines] + [""]


def figures_of(folder: Path) -> str:
    """Return the Markdown of all figures, from ``training.json`` and the saved file."""
    from safetensors.numpy import load_file

    log = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    weights = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    rows = weights.astype(np.float32)
    place = {piece: i for i, piece in enumerate(pieces)}
    raw = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    final, classes = log["final"], list(log["pieces"].values())[1]
    size, length = log["batch"]
    summary = {
        "steps": f"{log['steps']:,}, each {size} sequences of {length} tokens",
        "tokens": f"{log['tokens']:,}",
        "wall time": f"{log['wall_seconds'] / 60:.1f} minutes on two CPU cores",
        "seed": log["seed"],
        "train loss, accuracy": f"{final['train_loss']}, {final['train_accuracy']}",
        "valid loss, accuracy": f"{final['valid_loss']}, {final['valid_accuracy']}",
        "parameters of the encoder": f"{log['parameters']:,}",
        "versions": ", ".join(f"{k} {v}" for k, v in log["versions"].items()),
    }
    out = ["### Training", "", *table("figure | value", summary.items())]
    checked = [row for row in log["curve"] if "valid_loss" in row]
    picked = checked[: -len(checked) // 10 : max(1, len(checked) // 10)] + checked[-1:]
    names = ("step", "seconds", "train_loss", "valid_loss", "valid_accuracy")
    out += table(" | ".join(names).replace("_", " "), ([row[x] for x in names] for row in picked))
    out += ["### Data", "", *table("package | version", log["corpus"]["packages"].items())]
    columns = "language | characters, train | characters, valid | share of the batches | [UNK]"
    amounts = log["corpus"]["characters"].items()
    shares, unknown = log["language_shares"], log["unknown_share"]
    data = ((x, *(f"{n[y]:,}" for y in SPLITS), shares[x], f"{unknown[x]:.3%}") for x, n in amounts)
    out += table(columns, data)
    counts = [(name, *pair) for name, pair in classes.items()]
    counts.append(("total", *map(sum, zip(*classes.values(), strict=True))))
    out += ["### Vocabulary", "", *table("class | pieces | seen fewer than 3 times", counts)]

    lists = []
    for probe in PROBES:
        scores = raw @ raw[place[probe]]
        scores[: len(SPECIALS)] = scores[place[probe]] = -2
        best = np.argsort(-scores, kind="stable")[:8]
        lists.append((probe, " ".join(f"{pieces[i]} {scores[i]:.2f}" for i in best)))
    out += ["### Nearest neighbours (raw cosine)", "", *table("piece | nearest eight", lists)]

    means, lists = [], []
    everyone = {place[c] for members in GROUPS.values() for c in members}
    for name, members in GROUPS.items():
        mine = [place[c] for c in members]
        rest = sorted(everyone - set(mine))
        inside = (raw[mine] @ raw[mine].T)[np.triu_indices(len(mine), 1)].mean()
        means.append((inside, (raw[mine] @ raw[rest].T).mean()))
        lists.append((name, members, *(f"{x:.3f}" for x in means[-1])))
    lists.append(("**mean**", "", *(f"{x:.3f}" for x in np.mean(means, 0))))
    out += ["### Mean cosine within a group and across to the other groups", ""]
    out += table("group | members | within | across", lists)
    ordinary = raw[len(SPECIALS) :]
    pairs = np.random.default_rng(0).integers(len(ordinary), size=(2, 100_000))
    chance = np.einsum("ij,ij->i", ordinary[pairs[0]], ordinary[pairs[1]])
    out.append(f"Two pieces drawn at random have a raw cosine of {chance.mean():.3f} on average")
    out[-1] += f" (standard deviation {chance.std():.3f})."
    return "\n".join(out)


def report(folder: Path) -> None:
    """Replace what stands between the two marks of ``README.md`` with fresh figures."""
    path, marks = folder / "README.md", ("<!-- figures -->", "<!-- end of figures -->")
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(marks[0])
    _, _, after = rest.partition(marks[1])
    new = f"{before}{marks[0]}\n\n{figures_of(folder)}\n\n{marks[1]}{after}"
    path.write_text(new, encoding="utf-8", newline="\n")


def main() -> None:
    """Run the subcommand given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("corpus", help="read the packages and write the cleaned text")
    one.add_argument("debs", type=Path)
    one.add_argument("corpus", type=Path)
    two = commands.add_parser("train", help="build the vocabulary and train the model")
    two.add_argument("corpus", type=Path)
    two.add_argument("model", type=Path)
    two.add_argument("--minutes", type=float, default=34.0, help="wall time (default: 34)")
    two.add_argument("--seed", type=int, default=20)
    two.add_argument("--bfloat16", action="store_true", help="autocast the forward pass")
    three = commands.add_parser("report", help="put the figures into the model's README.md")
    three.add_argument("model", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "corpus":
        make_corpus(arguments.debs, arguments.corpus)
    elif arguments.command == "train":
        options = (arguments.minutes, arguments.seed, arguments.bfloat16)
        train(arguments.corpus, arguments.model, *options)
    else:
        report(arguments.model)


if __name__ == "__main__":
    main()
