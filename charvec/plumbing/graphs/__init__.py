"""Plumbing: models that are graphs: ONNX and OpenVINO, and the tables a graph looks its input up in."""
