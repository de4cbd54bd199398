"""Plumbing: GGUF files: their header, and their quantised blocks."""
