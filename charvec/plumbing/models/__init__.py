"""Plumbing: models as folders: how they are laid out, what their tensors are called, and writing a smaller one."""
