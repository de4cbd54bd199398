"""Plumbing: TensorFlow's checkpoints: the LevelDB tables they are made of, bundles, slices, checksums."""
