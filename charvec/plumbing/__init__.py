"""Plumbing: one tool a module, for the families and verbs above. Nothing here knows of models, corpora or commands.

====================  ==================================================================================
digests               BLAKE2b
files                 positioned reads; what to say of a file that is not what was expected
safejson              strict JSON
zips                  what lies where in a zip file
unpickle              pickles run without running anything; pickle_machine and pickle_opcodes are its parts
numpy_pickle          numpy's names in pickles
torch_pickle          PyTorch's names in pickles
protobuf              the wire format of protocol buffers
leveldb, crc32c       LevelDB tables and their checksum
tensorbundle          what TensorFlow writes into such tables
normalizer            how a BERT tokenizer's configuration says it normalises
embedding_names       what input embeddings are called
counting              UTF-8 to counts, by the C kernel or by NumPy
encoded               text in an encoding that is known
transforms            normalisation and grapheme clusters, between a reader and the counts
scripts               which script and which block a code point belongs to
folders, ignoring     what is in a folder; .gitignore files and patterns like theirs
remote                files behind URLs; remote_stream and remote_faults are its parts
addresses             URLs as paths, without their secrets
places, model_places  what is where; what a user calls a model, and where that is
hub, modelscope       models on the hub and in its cache; in the cache of ModelScope
remote_file           parts of files behind URLs; ranges, remote_reader and remote_places belong to it
streams               decompressing, one thread ahead, within limits
columnar              text columns of tables; arrow_text and arrow_types are its parts
dotted, json_array    paths into JSON; arrays of records
losses                what was lost of records, counted and located
charsets              which legacy encodings a text could be in
layout                the columns of a vector file, and their checks
plain                 vectors from bare pairs of character and values
hdf5_image            an HDF5 file laid out by hand, without copying arrays
terminal, progress    text that is safe to print; a progress bar
====================  ==================================================================================
"""
