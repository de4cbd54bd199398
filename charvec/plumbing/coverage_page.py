"""Plumbing: the comparison of ``charvec coverage`` as one HTML page that holds everything and does nothing.

No script, no link, no picture, no request: the page forbids them to itself by its Content-Security-Policy, so that a
character or a file name that slipped through could not act either. Every word is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from charvec.plumbing.html_text import html_text
from charvec.plumbing.terminal import codepoint, count, number, visible

__all__ = ["MISSED", "coverage_page"]

#: Missed characters on the page at most; ``--json`` has all.
MISSED = 500

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.4em}h2{font-size:1.1em;margin:2em 0 .5em}p{margin:.3em 0}
table{border-collapse:collapse}th,td{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}
th{font-weight:600;vertical-align:bottom;max-width:18em;overflow-wrap:break-word}
th:first-child,td:first-child{text-align:left}tr.sum td{font-weight:600;background:#f4f4f4}
td.char{font-size:1.3em}td.bad{color:#a00}td.good{color:#063}small{color:#666}
meter{width:6em;height:.8em;margin-right:.5em}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}th,td{border-color:#444}
tr.sum td{background:#262626}td.bad{color:#f88}td.good{color:#8d8}small{color:#999}}
"""


def coverage_page(comparison: Mapping[str, Any], samples: str, percent: Any) -> str:
    """The page.

    Args:
        comparison: as :meth:`charvec.surveying.Comparison.as_dict` gives it.
        samples: what was scanned, in words.
        percent: writes a share, 0 to 1, in percent.
    """
    models = comparison["models"]
    names = [each["model"] for each in models]
    missed = comparison["missed"]
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width">',
        f"<title>Coverage of {count(len(models), 'model')}</title><style>{_STYLE}</style></head><body>",
        "<h1>How much of the samples each model knows</h1>",
        f"<p>{html_text(samples)}, {number(comparison['distinct'])} distinct</p>",
        "<p><small>Shares are of what a model sees, without what it deletes; only those of what all see are of one "
        "whole. "
        f"Covered: {html_text(', '.join(models[0]['keep']))}. "
        "Completeness: 1 / pieces, 0 for an unknown character, averaged.</small></p>",
        "<h2>The models</h2>",
        _table(_sizes(models), ["", *names]),
    ]
    for title, key in (("Of the text", "occurrences"), ("Of its distinct characters", "distinct")):
        parts += [f"<h2>{title}</h2>", _table(_statuses(comparison, models, key, percent), ["", *names])]
    for title, key in (("By Unicode script", "scripts"), ("By Unicode block", "blocks")):
        rows = [_group(group, percent) for group in comparison[key]]
        parts += [f"<h2>{title}</h2>", _table(rows, ["", "distinct", "occurrences", *names])]
    shown = missed[:MISSED]
    of = f", the commonest {number(len(shown))} of {number(len(missed))}" if len(shown) < len(missed) else ""
    parts += [f"<h2>Missed by some model{of}</h2>"]
    rows = [_missed(each, models) for each in shown]
    parts += [_table(rows, ["character", "code point", "count", "block", *names]) if rows else "<p>nothing</p>"]
    parts += [
        f"<p><small>Scripts and blocks of Unicode {html_text(comparison['unicode'])}.</small></p>",
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _table(rows: Sequence[str], head: Sequence[str]) -> str:
    cells = "".join(f"<th>{html_text(each)}</th>" for each in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table>"


def _row(cells: Sequence[str], kind: str = "") -> str:
    return f"<tr{kind}>" + "".join(each if each.startswith("<td") else f"<td>{each}</td>" for each in cells) + "</tr>"


def _sizes(models: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        _row(["vocabulary", *(html_text(each["vocabulary"]) for each in models)]),
        _row(["pieces", *(number(each["pieces"]) for each in models)]),
        _row(["rows of the matrix", *(number(each["rows"]) for each in models)]),
        _row(["length of a vector", *(number(each["dim"]) for each in models)]),
    ]


def _statuses(comparison: Mapping[str, Any], models: Sequence[Mapping[str, Any]], key: str, percent: Any) -> list[str]:
    covered = [_share(each["written_" + key], each["seen_" + key], percent) for each in models]
    rows = [
        _row(["seen by the model", *(number(each["seen_" + key]) for each in models)]),
        _row(["covered, of what it sees", *covered], ' class="sum"'),
    ]
    if len(models) > 1:
        common = [_share(each["of_common_" + key], comparison["common_" + key], percent) for each in models]
        rows.append(_row([f"covered, of the {number(comparison['common_' + key])} that all see", *common]))
    for status in models[0]["by_status"]:
        numbers = [each["by_status"][status][key] for each in models]
        if any(numbers):
            seen = [each["seen_" + key] for each in models]
            rows.append(_row([html_text(status), *map(_of(status, percent), numbers, seen)]))
    complete = "completeness" if key == "distinct" else "text_completeness"
    rows.append(
        _row(["completeness", *(percent(each[complete]) if each["seen_" + key] else "none" for each in models)])
    )
    return rows


def _of(status: str, percent: Any) -> Any:
    """Writes a number and its share; of what a model deletes only the number, which is no part of what it sees."""
    return lambda part, whole: (
        number(part) if status == "removed" or not whole else f"{number(part)} <small>{percent(part / whole)}</small>"
    )


def _share(part: int, whole: int, percent: Any) -> str:
    return _meter(part / whole, percent) if whole else "none"


def _meter(share: float, percent: Any) -> str:
    return f'<meter value="{share:.4f}"></meter>{percent(share)}'


def _group(group: Mapping[str, Any], percent: Any) -> str:
    shares = [
        _meter(covered["occurrences"] / seen["occurrences"], percent) if seen["occurrences"] else "deleted"
        for covered, seen in zip(group["covered"], group["seen"], strict=True)
    ]
    name = group["name"].replace("_", " ")
    return _row([html_text(name), number(group["distinct"]), number(group["occurrences"]), *shares])


def _missed(missed: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> str:
    statuses = [
        f'<td class="{"good" if status in model["keep"] else "bad"}">{html_text(status)}</td>'
        for status, model in zip(missed["statuses"], models, strict=True)
    ]
    char = missed["char"]
    cells = [f'<td class="char"><bdi>{html_text(visible(char))}</bdi></td>', codepoint(char), number(missed["count"])]
    return _row([*cells, html_text(missed["block"].replace("_", " ")), *statuses])
