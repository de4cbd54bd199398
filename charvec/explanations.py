"""What every error, warning and note means: the text of ``charvec explain``."""

EXPLANATIONS: dict[str, str] = {}
