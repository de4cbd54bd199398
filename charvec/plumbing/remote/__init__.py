"""Plumbing: files and models elsewhere: URLs, ranges over HTTP, the hub and its caches."""
