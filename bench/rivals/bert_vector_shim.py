"""Run the PyPI package BERTVector, unchanged, on a TensorFlow of today.

    python bert_vector_shim.py --model_path FOLDER --in_file SAMPLES_FOLDER --out_file OUT.pkl

The package (2020) opens checkpoints by ``pywrap_tensorflow.NewCheckpointReader``, which TensorFlow 2 has moved. The
name is put back before the package is imported; it reads, looks up and pickles with its own code. Needs an interpreter
with TensorFlow 2 and BERTVector (the latter installed with ``pip install --no-deps``). The arguments are those of the
package's own command.
"""

from __future__ import annotations

import tensorflow
from tensorflow.python import pywrap_tensorflow

if not hasattr(pywrap_tensorflow, "NewCheckpointReader"):
    pywrap_tensorflow.NewCheckpointReader = tensorflow.train.load_checkpoint

from BERTVector.BERTVector import main_cli

if __name__ == "__main__":
    main_cli()
