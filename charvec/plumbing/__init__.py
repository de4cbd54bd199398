"""Plumbing: one tool a module, for the families and verbs above. Nothing here knows of corpora or commands.

What several rooms use lies here; each room below has what belongs to one kind of file or one task.

==================  ====================================================================================
files, window       positioned reads; what to say of a file that is not what was expected
folders, places     what is in a folder; what is where, on this machine, behind a URL and on the hub
digests             BLAKE2b
safejson, msgpack   strict JSON; MessagePack
protobuf            the wire format of protocol buffers
zips                what lies where in a zip file; zip_directory is its part, zip_writer writes them
terminal, progress  text that is safe to print; a progress bar
coverage_page       the comparison of models as a page

arrays/             rows of numbers: .npy, word vectors, the columns of a vector file
hdf5/               HDF5 files: foreign ones read by position, our own laid out
gguf/               GGUF: header and quantised blocks
graphs/             ONNX and OpenVINO
tensorflow/         LevelDB tables, bundles, slices
pickles/            pickles run without running anything
models/             how folders of models are laid out, what their tensors are called
spelling/           how each kind of tokenizer spells a character
remote/             URLs, ranges over HTTP, the hub and its caches
text/               encodings, records, columns, scripts, counting
==================  ====================================================================================
"""
