"""What every error (E-), warning (W-) and note (N-) means: the text of ``charvec explain CODE``.

A test holds this table against the codes in the source: each is explained here, and nothing else is.
"""

from __future__ import annotations

import re

__all__ = ["EXPLANATIONS", "SECTIONS", "first_sentence", "sections"]

_DOWNLOAD = "Downloads that stop early or meet an error page are the commonest cause; download the file again."
_CHOOSE = "Call the command again with one of the values the message lists."

#: Sections of the errors, each by its first code in the table below; warnings and notes are told by how they begin.
SECTIONS = {
    "E-USAGE": "errors: what was asked for",
    "E-JOURNAL": "errors: finding and reaching files",
    "E-EMPTY": "errors: files that are wrong or damaged",
    "E-AMBIGUOUS": "errors: checkpoints",
    "E-VOCAB-ENTRY": "errors: vocabularies",
    "E-ENCODING": "errors: samples",
    "E-NOT-CHARVEC": "errors: vector files",
    "E-OUTPUT-EXISTS": "errors: output",
}

EXPLANATIONS: dict[str, str] = {
    # -- usage
    "E-USAGE": "The command line could not be understood. `charvec COMMAND --help` lists what a command takes.",
    "E-CASING": "--cased or --uncased was said of a tokenizer that has no such choice: its files say how it normalises text.",
    "E-CODE": "`charvec explain` was asked about a code that does not exist. Without an argument it lists all codes.",
    "E-ARGUMENT": "A function or option was given a value of the wrong kind or out of range, or its arguments in the wrong order.",
    "E-COUNTS": "The library was given counts whose keys are not single characters, or negative numbers.",
    "E-DTYPE": f"An element type that vectors cannot have. {_CHOOSE}",
    "E-FORMAT-NAME": f"A vector-file format that does not exist. {_CHOOSE}",
    "E-KEEP": f"--keep was given a word that is no status, or a status that never has a row. {_CHOOSE}",
    "E-MISSING": f"matrix_for was given an unknown word for missing=. {_CHOOSE}",
    "E-NUMBER": "A number is out of its range.",
    "E-PATH": "A path holds the character U+0000, or half of a surrogate pair, which no file system allows.",
    "E-PADDING": "The row for padding, 0 unless you say otherwise, belongs to a character, to the entry for unknown characters, or to one "
    "that was filled; it would be zeroed. Name the padding entry with pad=, or say padding_idx=None.",
    "E-PERCENT": "--fail-under takes a percentage from 0 to 100.",
    "E-POOLING": f"encode was given an unknown pooling, or one that the vectors have no counts for, or store nothing for. {_CHOOSE}",
    "E-REDUCE": "Vectors cannot be made smaller as asked: a number is out of range, two ways exclude each other, or the file knows no counts "
    "where these are weighed. See docs/small.md.",
    "E-SUFFIX": "The suffix of the output stands for no format. Use a known suffix, or say --format.",
    "E-VOCAB-IDS": "matrix_for was given a vocabulary whose ids are negative, not integers, used twice or far too large, entries that are no text, or a name "
    "for pad= or unk= that is none of its entries; or vocabulary was given ids for these two that it cannot have, "
    "static_model a name of one character for them, which texts have; or what was given is no vocabulary at all. Ids are rows of the matrix, so each entry needs one of its own.",
    "E-CODEC": "Python has no text encoding of that name. Usual ones: gb18030, big5, cp950, shift_jis, euc_jp, euc_kr, cp949.",
    "E-SCRIPT": "A name is no script of Unicode. Say its name (Han), its ISO 15924 code (Hani), or kana or cjk for several scripts at once. "
    "Simplified and traditional characters are one script, Han.",
    "E-PACKAGE": "An optional package is needed for what was asked for. The message names it and says how to install it.",
    "E-PATTERN": "A pattern of --exclude is malformed and would match nothing. Patterns are written as in .gitignore.",
    "E-URL": "The URL begins with a scheme that no installed file system knows.",
    "E-JOURNAL-OPTIONS": "The journal named with --resume was made with other options for reading; its counts cannot be added to these. "
    "Use the same options, or another file.",
    # -- finding things
    "E-JOURNAL": "The file named with --resume is no journal of charvec, or one that was damaged before its last line. A last line "
    "that was not finished is no damage; it is cut off, and its files are read again.",
    "E-JOURNAL-BUSY": "Another process is writing the same journal.",
    "E-JOURNAL-CHANGED": "A file that the journal has counted changed since, or is no sample any more. Its characters cannot be taken "
    "back; delete the journal to count everything again.",
    "E-NO-FILES": "Nothing was found to read: the folder is empty, or no file has one of the suffixes given with --ext.",
    "E-NOT-FOUND": "A file, folder or pattern that was named does not exist.",
    "E-NOT-A-FILE": "A folder, pipe or device was named where a file is read by position.",
    "E-REMOTE": "A server could not be reached or failed, also after several attempts, or the environment forbids the network.",
    "E-REMOTE-CHANGED": "A file on a server changed while it was read, or since this process first read it. Parts of two files are no "
    "file; run the command again. Models on the hub cannot change: their commit is fixed when they are opened.",
    "E-WHOLE-FILE": "Only headers and rows are fetched of a remote model, a few percent of it; but this server can only send all of a file, or this format has to be read from beginning to end. "
    "Say --download to fetch it, or download the model yourself and name the copy.",
    "E-REVISION": "--revision names a branch, tag or commit of a model on the hub; files and other URLs have none.",
    "E-OFFLINE": "The hub cannot or must not be asked (HF_HUB_OFFLINE), and its cache on this machine lacks the model, the revision or the "
    "file. `hf download ORG/NAME` puts a model into the cache where there is a network.",
    "E-SCHEDULER": "No Dask scheduler answers at the address given with --scheduler.",
    "E-PERMISSION": "The operating system denied access. Check owner and mode of the file and of its folders.",
    "E-NO-BUNDLED": "This installation lacks the small BERT that is the default model. Name a model with -m, or reinstall charvec.",
    "E-NO-CHECKPOINT": "The folder holds no file that is named like a checkpoint. The message says which names are looked for, or names the folder "
    "below that holds a model. A file that is called otherwise can be named itself: what it is, its content tells.",
    "E-AMBIGUOUS-FILE": "The folder holds several checkpoints and none has a standard name. Name the file instead of the folder.",
    "E-TF-NOINDEX": "A TensorFlow checkpoint is a pair of files, and the .index file is not there. It says where in the .data file each "
    "tensor lies; without it the data cannot be read.",
    "E-SHARD-MISSING": "The embedding lies in a part of the checkpoint that is not there. Only that part is needed; put it beside "
    "the index.",
    "E-VOCAB-MISSING": "No vocabulary lies beside the checkpoint. Name it with --vocab; it was published with the checkpoint.",
    "E-NO-TENSOR-NAMED": "--tensor names a tensor the checkpoint does not have. `charvec tensors MODEL` lists them.",
    "E-NO-VECTOR": "A character was asked for that has no vector in the file. `charvec info FILE --missing` says why.",
    "E-NO-TORCH": "charvec.torch needs PyTorch, which is not installed.",
    # -- wrong or damaged files in general
    "E-EMPTY": f"The file has no bytes. {_DOWNLOAD}",
    "E-LFS-POINTER": "The repository keeps large files in Git LFS, and what lies here is only the note that stands for the file. "
    "`git lfs install && git lfs pull` in the repository fetches the real one.",
    "E-NOT-WEIGHTS": f"The file is an error page, a JSON or XML document, or only zeros. {_DOWNLOAD}",
    "E-COMPRESSED": "Weights and vector files are read in place and cannot be read compressed. Decompress the file first.",
    "E-FORMAT": "The first bytes are those of no format charvec knows. docs/formats.md lists what is read.",
    "E-TOO-LARGE": "The file is far larger than files of its kind are; it is probably not the one that was meant.",
    "E-TRUNCATED": f"The file ends before it should. {_DOWNLOAD}",
    "E-TRAILING": "Bytes follow the end of the file's content: it was appended to, or two files were joined.",
    "E-BOMB": "The file declares, or would swell to, far more data than it has bytes. Nothing was unpacked.",
    "E-PATH-ESCAPE": "The file points to another one outside its own folder. charvec never follows such a path.",
    "E-JSON": "A JSON document is malformed, too deep, or holds numbers that make no sense as sizes.",
    "E-JSON-DUPKEY": "A JSON object has the same key twice. Programs disagree which one counts, so it is refused.",
    "E-IO": "The operating system reported an error while reading or writing.",
    "E-ZIP": "A zip archive is damaged.",
    # -- checkpoints
    "E-AMBIGUOUS": "Several tensors could be the input embedding and they are different ones, as in models with a generator and a "
    "discriminator, or an encoder and a decoder. charvec never guesses by size; say --tensor NAME.",
    "E-NO-TENSOR": "No tensor has a name that input embeddings have, or a shard lacks what its index promises. `charvec tensors` "
    "lists what is there; --tensor NAME takes any matrix.",
    "E-NOT-2D": "An embedding is a matrix with one row for each piece; this tensor has another shape.",
    "E-QUANTISED": "The tensor is not stored as plain floating-point numbers. Integers mean nothing without their scales; use the "
    "checkpoint as it was before quantisation.",
    "E-SPACE": "--space takes raw or hidden. hidden is for models that keep their pieces in fewer dimensions than they have themselves and multiply "
    "them up first, as ALBERT does; this one does not.",
    "E-PROJECTION": "The matrix that brings rows to the model's own size does not fit them.",
    "E-SCALES": "The tensor is stored together with scales, weights or a map to shared rows, and these do not fit it.",
    "E-ST-HEADER": f"The header of a safetensors file is malformed. {_DOWNLOAD}",
    "E-ST-SHAPE": f"In a safetensors header, a shape is malformed or does not fit its byte range. {_DOWNLOAD}",
    "E-ST-RANGE": f"In a safetensors header, a byte range overlaps another or leaves the file. {_DOWNLOAD}",
    "E-ST-HOLE": "A safetensors file has bytes that belong to no tensor, which the format forbids.",
    "E-ST-DUPKEY": "A safetensors header names a tensor twice, which the format forbids.",
    "E-ST-DTYPE": "A safetensors header names an element type that does not exist.",
    "E-GGUF": f"The header of a GGUF file is malformed, of a version that is no longer in use, or newer than charvec knows. {_DOWNLOAD}",
    "E-ONNX": f"An ONNX file is malformed, or makes claims that do not fit together. {_DOWNLOAD}",
    "E-OPENVINO": f"The XML file of an OpenVINO model is malformed, or has a document type, which could hold entities. {_DOWNLOAD}",
    "E-SHARD-INDEX": f"The index of a sharded checkpoint is malformed. {_DOWNLOAD}",
    "E-PICKLE": f"A pickle is malformed. {_DOWNLOAD}",
    "E-PICKLE-UNSAFE": "The file wants code run when it is loaded. Weights need none. If you trust its maker, load it with the program "
    "that wrote it and save the state dict, best as safetensors.",
    "E-PT-ZIP": f"A PyTorch file is a zip archive that PyTorch would not write: no data.pkl, encrypted, or damaged. {_DOWNLOAD}",
    "E-PT-STORAGE": "A tensor of a PyTorch file reaches beyond its storage.",
    "E-TF-INDEX": f"The index of a TensorFlow checkpoint is malformed or fails its checksum. {_DOWNLOAD}",
    "E-TF-V1": f"A TensorFlow checkpoint of the old single-file kind is malformed or fails a checksum. {_DOWNLOAD}",
    "E-FASTTEXT": f"A fastText model is malformed, or of a version that charvec does not know. {_DOWNLOAD}",
    "E-WORD2VEC": "A binary file of word vectors holds no word where one should be: its bytes are shifted. gensim writes such files when one "
    "of the words holds a space. Save it as text, or with gensim's own save().",
    "E-H5-FEATURE": "An HDF5 file uses something that files of weights normally do not, and that charvec does not read. Load it with "
    "h5py or Keras and save it again, or ask for the weights as safetensors.",
    "E-FLAX": f"A Flax checkpoint is malformed. {_DOWNLOAD}",
    "E-PADDLE": f"A Paddle checkpoint lists pieces of an array that do not make one, or an inference model's program and weights do not fit. {_DOWNLOAD}",
    "E-MINDSPORE": f"A MindSpore checkpoint is malformed. {_DOWNLOAD}",
    "E-ENCRYPTED": "The checkpoint is encrypted. Load it with its key in the program that wrote it, and save it without one.",
    "E-NO-WEIGHTS": "A zip file that begins like a model of Keras has no model.weights.h5 in it.",
    # -- vocabularies
    "E-VOCAB-ENTRY": "A vocabulary of pieces with ids has an entry that is no piece with an id, or its numbers are counts and no ids. An id is "
    "the row of the matrix, from 0.",
    "E-VOCAB-ENCODING": "The vocabulary is not UTF-8, as vocabularies are: some editor converted it. Download it again.",
    "E-VOCAB-ROWS": "The vocabulary does not fit the matrix: more pieces than rows, or not a list of pieces at all. Often a script split it "
    "with splitlines(), which takes the piece U+2028 of the Chinese BERT vocabulary for a line end and shifts all later rows. Or --tensor or --vocab named "
    "something that belongs to another matrix; the message then names what fits.",
    "E-TOKENIZER": "A tokenizer.json, a vocab.json with its merges, or the configuration beside a vocabulary is damaged: ids that "
    "are no rows, merges of pieces that do not exist, parts that the tokenizers library cannot use.",
    "E-SENTENCEPIECE": f"A SentencePiece model is malformed, or says what the library itself refuses. {_DOWNLOAD}",
    "E-CHARSMAP": f"The table by which a SentencePiece model normalises characters is malformed. {_DOWNLOAD}",
    "E-RWKV-VOCAB": f"A vocabulary of RWKV has a line that is no row id, piece in quotes and number of bytes, or one piece or id twice. {_DOWNLOAD}",
    "E-TIKTOKEN": f"A file of tiktoken ranks has a line that is no base64 and number, or one piece or rank twice. {_DOWNLOAD}",
    "E-TOKENIZER-KIND": "A file holds a tokenizer of a kind that charvec does not know, or belongs to one. The rows of such a model can be had by "
    "its tokenizer.json, named with --vocab.",
    "E-PIECE-ROWS": "In some models the row of a piece is not its place in the SentencePiece file: fairseq moved all pieces by one or "
    "more, others number them in a file of their own. Only the model's configuration tells; without it every row could be a neighbour's. A tokenizer that charvec does not know is refused, too, where "
    "a file beside it gives a piece another id than its place.",
    # -- samples
    "E-ENCODING": "The text is not UTF-8, and no encoding can be told from another with certainty: Big5, Shift_JIS and EUC-KR text "
    "decodes as GB18030 without one error, into the wrong characters. Say which it is with --encoding, for all files or for some: "
    "--encoding '*.gbk=gb18030'.",
    "E-SAMPLES": "Some samples were skipped or damaged, and --strict was asked for.",
    "E-READ": "The only sample could not be read.",
    "E-SPECIAL": "The only sample is a device or socket, which has no end.",
    # -- vector files
    "E-NOT-CHARVEC": "The file is of a format that vector files have, but charvec did not write it.",
    "E-NEWER": "A newer charvec wrote the file. Upgrade charvec.",
    "E-DAMAGED": "The file's bytes are not those that were written: its digest differs. If another tool edited it on purpose, "
    "`charvec convert --unchecked` reads it all the same.",
    "E-UNCLEAN": "The program that wrote the HDF5 file died before it closed it.",
    "E-H5": f"The structure of the HDF5 file is damaged, or not that of a vector file. {_DOWNLOAD}",
    "E-H5-EXTERNAL": "The HDF5 file takes data from another file. charvec never follows that.",
    "E-H5-TYPE": "A column of the vector file has the wrong type.",
    "E-NPY": "An array of NumPy, an .npy file or one in an .npz file, is malformed, or holds records instead of numbers.",
    "E-META": "The provenance in the vector file is malformed.",
    "E-COUNT": "Columns of the vector file differ in length, or one is missing.",
    "E-ORDER": "The characters in the vector file are not in ascending order, which version 1 promises.",
    "E-COLUMNS": "Vectors were put together from columns that do not fit each other: unequal lengths, or characters out of order.",
    "E-DIM": "Vectors of different length, where one length is needed: a query and the file's vectors, or files merged by 'first'. Files of "
    "different dimensions can be merged side by side (--how concat).",
    "E-REDUCED": "Vectors that were made smaller (PCA, leading dimensions, product quantisation, a stored mean) lie in a space of their own, so that "
    "they cannot be merged, compared across axes, or reduced again. Do it with the file they were made of, or restore them first (convert --restore).",
    "E-NO-DIRECTION": "No vector can be drawn: there are none, or each is zeros or holds NaN or infinity, as its checkpoint does.",
    "E-NO-MEAN": "Centring was asked for, and the file stores no mean. `charvec convert IN OUT --center` stores one.",
    "E-BASIS": "Axes, mean or codebooks in the vector file do not fit its vectors, are not described in its provenance, or hold NaN or infinity.",
    "E-CONFLICT": "Two files that name one model as their source give a character different vectors; one of them was changed. "
    "`charvec verify FILE --against MODEL` tells which.",
    "E-OTHER-MODEL": "A vector file can only be updated from the model it was made with, because rows of different models lie in different "
    "spaces. `charvec info FILE` names that model's files; `charvec merge` puts rows of several models into one file.",
    "E-CHANGED": "Vectors in the file are not, bit for bit, what its model gives. An update would replace them. If that is wanted, dump all "
    "samples again.",
    "E-TRIM-TOKENIZER": "The tokenizer is of a kind that cannot be trimmed, or the files of the model's folder do not agree about it. Kinds that can: "
    "WordPiece, BPE, Unigram and WordLevel as vocab.txt, tokenizer.json, or vocab.json with merges.txt; SentencePiece files, unless another file numbers their pieces.",
    "E-TRIM-TENSOR": "A tensor of the checkpoint cannot be copied byte for byte, or is as long as the vocabulary while its name does not say whether "
    "it belongs to it.",
    "E-CONFIG": "config.json, or a file like it beside the checkpoint, is no sound JSON. " + _DOWNLOAD,
    "E-UPDATE": "The new counts cannot be added to those of the file, because samples were normalised differently or characters were left out "
    "by a selection. Dump all samples together instead.",
    "E-DUPLICATE": "A character stands twice.",
    "E-CODEPOINT": "The vector file holds numbers that are no Unicode characters.",
    "E-STATUS": "The vector file holds a status that does not exist.",
    "E-TEXT-LINE": "A line of a text file is not a character, or a word, followed by the right number of values.",
    "E-NO-CHARACTERS": "The file holds no vectors of single characters, or would hold none: its keys are words, its values no numbers, or "
    "the format cannot hold the characters there are. Or a dump would be empty, as no sample could be read or no character was found: "
    "nothing is written then, and a file that was there stays.",
    "E-OVERFLOW": "Some values do not fit into the element type that was asked for. Use --dtype float32.",
    # -- output
    "E-OUTPUT-EXISTS": "Nothing is overwritten unless you say so: -f on the command line, overwrite=True in Python.",
    "E-OUTPUT-FOLDER": "The output names a folder. Name a file in it.",
    "E-OUTPUT-FILE": "Several files are written into a folder of their own, and the output is there and is no folder.",
    "E-OUTPUT-NO-FOLDER": "The folder of the output does not exist, or no name was given for a folder that is to be written.",
    "E-OUTPUT-SPECIAL": "The output exists and is a device, pipe or socket; only regular files are replaced.",
    "E-OUTPUT-STDOUT": "A vector file is written to a temporary file, checked and renamed, so it needs a name. Write it, then `cat` it.",
    "E-OUTPUT-IS-INPUT": "The output is also an input. Inputs are never modified.",
    "E-PROFILE": "There is no such profile. `charvec convert --list-profiles` lists them.",
    "E-PROFILE-DIM": "Readers of this layout tell it from others by the number of fields in a line, and vectors of one dimension mislead them.",
    "E-PROFILE-SIZE": "The layout has sizes of 32 bits, so that a file must stay below 4 GiB, and an ONNX model below 2 GiB.",
    "E-PROFILE-SPECIAL": "The rows of padding and of unknown characters cannot be made as asked: their names must be two different words that are no "
    "single characters, they stand first or last, and some profiles cannot have them, cannot do without, or have them at one place only, because "
    "the program that reads them has their ids in its code.",
    "E-DISK-FULL": "The disk, or a quota, is full. The old file, if any, is untouched.",
    "E-WRITE-VERIFY": "What was read back from the disk is not what was written. Check the disk.",
    "E-MEMORY": "The machine, or a limit, refused the memory.",
    "E-BUG": "Something happened that charvec did not foresee. Please report it with the output of the same command and --debug.",
    # -- warnings
    "W-BINARY": "A file that is no text was skipped, or what is packed more than once, or a document that is a zip archive inside. With --ext "
    "only files of some suffixes are read.",
    "W-COMPRESSED": "A compressed file was skipped, because the package that reads it is missing. Install it, or pipe the text in.",
    "W-CONFIG": "config.json beside the checkpoint is damaged. It only helps to find the input embedding and to check it; the rows are not "
    "affected.",
    "W-CONFIG-ROWS": "config.json promises more rows than the matrix has: another tensor was meant, the vocabulary was cut, or the two files "
    "are of different models.",
    "W-DECODE": "Some bytes are not valid in the encoding that was named. They were left out; the first is located.",
    "W-DECOMPOSED": "Texts hold Hangul syllables or voiced kana in parts (NFD), as macOS writes file names and some programs texts. They are "
    "counted as they stand, and most models have vectors only for what is whole. `--normalize NFC` puts them together before they are counted; Old Hangul, which has no "
    "whole syllables, stays as it is.",
    "W-ESCAPED-ENCODING": "The text looks like HZ or ISO-2022, legacy encodings made of ASCII characters. Say so with --encoding.",
    "W-GREW": "A file grew while it was read. What it held when it was opened was counted.",
    "W-IGNORE-FILE": "A .gitignore or .ignore file is damaged, far too large, or has malformed patterns. What is sound in a damaged one "
    "was used; a file that is too large, or no regular file, was not.",
    "W-JSON-ESCAPES": "The text writes characters as escapes (\\u4e2d), as JSON may. charvec counts text as it stands, so these were "
    "counted as ASCII letters. Of JSON Lines, `--field NAME` reads the texts of one field and decodes them. Or write the JSON with ensure_ascii=False, or extract its text first (`jq -r .text`).",
    "W-LEFT-OUT": "The output format cannot hold some characters, because the programs that read it would crash or lose rows.",
    "W-LFS-POINTER": "A sample is a Git LFS pointer: the text of the pointer was counted, not the file it stands for.",
    "W-LINK": "A symbolic link leads out of the folder, or nowhere. Name what it leads to if it shall be read. In an archive: a hard link leads "
    "to a file that is hidden or left out by --ext.",
    "W-LOOP": "A symbolic link leads to itself.",
    "W-MAYBE-ENCODING": "The bytes of a text are valid UTF-8, and valid in a legacy encoding in which they make as much sense or more. "
    "It was read as UTF-8. If that is wrong, name the encoding for all files that match: --encoding '*.txt=gb18030'.",
    "W-MOJIBAKE": "The text looks like UTF-8 that some program read as Latin-1 and saved again. Repair it before counting.",
    "W-MIXED-SPACES": "A file was merged from different models, each character's row from one of them. Such rows are fine as "
    "starting values of an embedding that is trained further; cosines between rows of different models mean nothing.",
    "W-NOT-COPIED": "A JSON file beside the model is far larger than a configuration, so the folder of the trimmed model has no copy "
    "of it. Copy it yourself, if the model needs it.",
    "W-NOT-STORED": "The output keeps rows alone. The mean of --center, the axes of --pca, without which rows cannot be restored, or what --sif "
    "stored are not in it. Keep a .h5, .npz or .safetensors file beside it.",
    "W-NO-DIRECTION": "Vectors of zeros, or with NaN or infinity, have no direction and no cosine to others, so they are not on the map.",
    "W-NO-VECTOR": "Some characters of the texts have no vector in the file. They were passed over; a text of such characters alone is zeros.",
    "W-PAIR": "A line of standard input is not two texts with one tab between them, or holds a code point that does not exist. Its cosine is "
    "nan (null in JSON); all other lines were compared.",
    "W-NONFINITE": "Some vectors hold NaN or infinity, because the checkpoint does.",
    "W-NORMALIZER": "tokenizer.json normalises text in another way than BERT does. Casing was taken from elsewhere; check the rows.",
    "W-OTHER-ENCODING": "A text was read in the encoding that was named for it, and hardly a common character came out, while another encoding "
    "gives many. Big5, Shift_JIS and EUC-KR text decodes as GB18030 without an error, into rare and wrong characters. If that is so, name the other "
    "one with --encoding, for these files alone where need be: --encoding '*.big5.txt=big5'.",
    "W-PATTERN": "A pattern of --encoding or --field matches no sample, or none that an earlier pattern does not match, so that it counts for nothing. Patterns are compared "
    "with the whole path and with the name alone, with regard to case; a compressed file goes by the name of what is in it, a.jsonl for a.jsonl.gz. Of several that match "
    "a file the first counts.",
    "W-PERMISSION": "A sample could not be read for lack of permission.",
    "W-PIECE-ROWS": "Nothing charvec knows tells which model a SentencePiece file belongs to. Most models take a piece's place in the file "
    "for its row, so this was done; put the model's config.json or tokenizer_config.json beside it to be sure. What the files beside it say of ids does not contradict it.",
    "W-READ": "A sample could not be read, or not to its end.",
    "W-REMOTE": "A remote folder could not be listed to its end, or a remote file not read. Everything else was.",
    "W-HUB-CACHE": "The hub could not be reached, so the revision that its cache on this machine has was taken, which may be an older one.",
    "W-SHRANK": "A file became shorter while it was read. What was still there was counted.",
    "W-SPECIAL": "A pipe, socket or device inside a folder was passed over.",
    "W-SURROGATE": "The text holds lone surrogates, halves of characters, which are no characters themselves. They were left out.",
    "W-TF-GRAPH": "The object graph of a TensorFlow 2 checkpoint is damaged; tensors go by their keys instead of their names.",
    "W-UTF16": "Some bytes are not valid UTF-16. They were left out; the first is located.",
    "W-UTF32": "Some bytes are not valid UTF-32. They were left out; the first is located.",
    "W-UTF8": "Some bytes are not valid UTF-8. They were left out; the first is located by offset and line.",
    "W-OBJECTS": "An .npz file holds an array of Python objects, a pickle, which is never opened. If it is the vocabulary, save the words "
    "as an array of strings, or name them with --vocab.",
    "W-TOKEN-BYTES": "Some words or tokens of the vocabulary are not UTF-8. They keep their rows, but are no characters.",
    "W-VOCAB-BLANK": "A line of the vocabulary is blank. It keeps its row, as in every BERT implementation.",
    "W-VOCAB-DUP": "Pieces stand twice in the vocabulary. The row is used that the model's own program uses: the last of a BERT, the first "
    "of word vectors, as in gensim. Or pieces share a row: then all of them have it.",
    "W-VOCAB-SHIFTED": "The vocabulary is probably shifted against the matrix. The rows of the vocabulary's [unused] placeholders, which training hardly touches, are alike in every BERT. Here the rows "
    "that are alike lie one or more lines higher or lower than the placeholders: a line of the vocabulary was lost or added, and every later "
    "character would get its neighbour's vector. Download the vocabulary again.",
    "W-VOCAB-PADDED": "The matrix has more rows than the vocabulary has pieces: padding, as many models have. When the message says that another "
    "vocabulary beside the model fits exactly, or that there is rarely so much padding, the vocabulary is probably that of another model, and most "
    "vectors would be those of other characters: name the right one with --vocab, or leave --vocab out.",
    # -- notes, shown with -v
    "N-PROJECTION": "The model multiplies rows up to its own size before anything else. charvec writes rows as they are stored unless "
    "--space hidden is given.",
    "N-CASING": "Whether the tokenizer lower-cases decides the rows of A-Z and of accented letters. The note says where that was read. "
    "--cased and --uncased override it.",
    "N-MODEL-FILE": "A file inside a sample folder belongs to the model and was passed over. Name it if it shall be read.",
    "N-VECTOR-FILE": "A file inside a sample folder is a vector file that charvec wrote, and was passed over. It is told by its content. A text "
    "that is named by itself is read.",
    "N-MIDDLE-BOM": "U+FEFF inside a text is a character (a zero-width no-break space), not a byte order mark.",
    "N-PARTS": "A GGUF model is split into several files. They were opened from the first on until the embedding was found; the others are not needed.",
    "N-FIELD": "Some records of a JSON Lines file lack the field named with --field, or have no text in it. There was nothing to count in them.",
    "W-ADAPTER": "A LoRA adapter adds to the embedding when the model runs. charvec reads the table as it is stored; merge the adapter into the "
    "model first (merge_and_unload) if its changes shall count.",
    "W-ARROW": "An Arrow file or stream is damaged, or comes in a way in which it cannot be read. What came before the damage was counted.",
    "W-BOMB": "A compressed sample grows to many times its size, or an archive has far too many members, as made to fill memories and disks. What came out before was counted. If the sample is genuine, raise --max-ratio.",
    "W-BZIP2": "A bzip2 file is damaged or cut short. What could be decompressed was counted.",
    "W-COLUMN": "The column named with --column is not in the file, or none was named and several could be meant. The message lists what there is. "
    "By its number a column is looked for, inside folders and archives, only in files called .csv, .tsv, .tab or .psv: every text has a first one. "
    "--ext csv tsv leaves other files out; --ext txt says that .txt files are tables.",
    "W-CSV": "Rows lack the column, have more fields than the first row, or have unsound quotation marks. The first is located; what was lost is said.",
    "W-FIELD": "No line of the file has the field named with --field. The message lists what there is.",
    "W-GZIP": "A gzip file is damaged or cut short. What could be decompressed was counted.",
    "W-JSON": "Some lines are no JSON. They were left out, counted, and the first is located. One JSON document is no JSON Lines; `jq -c '.[]'` makes lines of an array.",
    "W-LONG-RECORD": "A line or row is longer than any record should be. It was left out, and reading went on behind it.",
    "W-PACKAGE": "An optional package is needed to read a sample. The message holds the line that installs it; the sample was left out.",
    "W-PARQUET": "A Parquet file is damaged, or comes as a stream, though it must be read from its end. What came before the damage was counted.",
    "W-TAR": "A tar archive is damaged or cut short, or has members that cannot be read. What could be read was counted.",
    "W-XZ": "An xz file is damaged or cut short, or wants too much memory. What could be decompressed was counted.",
    "W-ZIP": "A zip archive is damaged, encrypted, or comes as a stream, though it must be read from its end. What could be read was counted.",
    "W-ZSTD": "A zstd file is damaged or cut short, or wants too much memory. What could be decompressed was counted.",
}


def sections() -> dict[str, list[str]]:
    """The codes under the headings of ``charvec explain``, in the order of the table."""
    found: dict[str, list[str]] = {title: [] for title in (*SECTIONS.values(), *_BY_LETTER.values())}
    here = ""
    for code in EXPLANATIONS:
        here = SECTIONS.get(code, here)
        found[_BY_LETTER.get(code[0], here)].append(code)
    return found


_BY_LETTER = {"W": "warnings", "N": "notes, shown with -v"}


def first_sentence(code: str) -> str:
    """What a code means, in one sentence."""
    return re.split(r"(?<=[.]) ", EXPLANATIONS[code], maxsplit=1)[0]
