"""Plumbing: the characters at which ``str.split()`` splits: white space and separators in Unicode's sense.

Also those that Unicode names only by their bidirectional class: U+001C to U+001F. ``str.isspace`` says the same.
"""

__all__ = ["WHITE_SPACE"]

#: 29 characters; since Unicode 6.3 no version has changed them.
WHITE_SPACE = frozenset(
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
