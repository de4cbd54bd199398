"""Plumbing: how tokenizers spell a character: the pieces, the normaliser, the steps, for each kind of tokenizer."""
