"""Plumbing: any text as HTML text."""

from __future__ import annotations

from charvec.plumbing.terminal import escape

__all__ = ["html_text"]


def html_text(text: str) -> str:
    """Any text as HTML text, or as the value of an attribute in quotes, that shows it and nothing else."""
    shown = escape(text)
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        shown = shown.replace(char, entity)
    return shown
