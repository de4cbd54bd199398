"""Plumbing: pickles as data: a stack machine that imports nothing and calls nothing, and a writer."""
