"""Plumbing: text on its way from a sample to the counts: encodings, records, columns, scripts, counting."""
