"""Plumbing: characters on a plane as one HTML page that needs nothing else.

No link, no picture, no request. The one script is the file beside this one; the page's Content-Security-Policy lets no
other run, by its digest, and what it shows are texts, never markup, so that a character or a file name cannot act.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charvec.plumbing.html_text import html_text
from charvec.plumbing.terminal import count, number

__all__ = ["DRAWN", "map_page"]

#: Characters drawn when nothing else is said: more cannot be told from each other on a screen.
DRAWN = 3000

_STYLE = """
:root{color-scheme:light dark}
body{font:14px/1.4 system-ui,sans-serif;margin:0;height:100vh;display:grid;grid-template:auto 1fr/1fr 17em}
header{grid-column:1/3;display:flex;flex-wrap:wrap;gap:.4em 1.2em;align-items:center;padding:.5em 1em}
header,aside{background:#8881}h1{font-size:1.1em;margin:0}header p{margin:0;opacity:.7}
#map{width:100%;height:100%;min-height:0;touch-action:none;cursor:crosshair}
aside{overflow:auto;padding:1em}fieldset{border:0;padding:0;margin:0}legend{opacity:.7;padding:0}
#scripts label{display:block}#panel h2{font-size:4em;line-height:1.2;margin:0;font-weight:400}
#panel{min-height:26em}#panel ol{padding-left:1.6em}#panel li{margin:.1em 0}
#panel li button{font-size:1.2em;min-width:2.2em;margin-right:.6em}
#find{width:7em}#find:invalid{outline:2px solid #c33}
@media(max-width:45em){body{grid-template:auto 1fr auto/1fr}header{grid-column:1}
aside{max-height:35vh}#panel{min-height:0}}
"""

_BODY = """<label>find <input id="find" placeholder="水, U+6C34" autocomplete="off" spellcheck="false"></label>
<label>across <select id="across"></select></label>
<label>up <select id="up"></select></label>
<span><button id="in" title="nearer">+</button> <button id="out" title="further">&minus;</button>
<button id="all">all</button></span>
</header>
<canvas id="map" tabindex="0"></canvas>
<aside><div id="panel" aria-live="polite"></div>
<fieldset id="scripts"><legend>Unicode scripts</legend></fieldset></aside>
<noscript><p>This page draws with a script; the same is in <code>charvec map --json</code>.</p></noscript>"""


def map_page(drawn: Mapping[str, Any], path: str) -> str:
    """The page.

    Args:
        drawn: as :meth:`charvec.drawing.CharacterMap.as_dict` gives it.
        path: the vector file's, for the heading.
    """
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    number_of, flat = len(drawn["characters"]), len(drawn["without_direction"])
    of = "" if number_of + flat == drawn["of"] else f", the commonest of {number(drawn['of'])}"
    if flat:
        of += f", without {count(flat, 'vector')} of zeros, NaN or infinity"
    # in JSON nothing but ASCII, and no "<" that could end the element
    data = json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c")
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{html_text(path)}: map of characters</title><style>{_STYLE}</style></head><body>",
            f"<header><h1>{html_text(path)}</h1><p>{count(number_of, 'character')}{of}, on the principal axes of their "
            "directions</p>",
            _BODY,
            f'<script type="application/json" id="data">{data}</script>',
            f"<script>{script}</script>",
            "</body></html>\n",
        )
    )
