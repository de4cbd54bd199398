"""Writes the files of this folder; ../pytorch/A.npy is what most of them hold.

Run it three times: with ``keras3`` (Keras 3 on PyTorch), ``keras2`` (TensorFlow 2.15 and transformers 4.40), ``h5py``.
"""

import os
import sys

import numpy as np

A = np.load("../pytorch/A.npy")
which = sys.argv[1]

if which == "keras3":
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    def build(dtype=None):
        ids = keras.Input((None,), dtype="int32")
        words = keras.layers.Embedding(23, 6, name="token_embedding", dtype=dtype)(ids)
        places = keras.layers.Embedding(8, 6, name="position_embedding", dtype=dtype)(keras.ops.zeros_like(ids))
        encoder = keras.Model(ids, words + places, name="encoder")
        model = keras.Model(ids, keras.layers.Dense(2, name="head")(encoder(ids)), name="classifier")
        encoder.get_layer("token_embedding").set_weights([A])
        return model

    model = build()
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 3), "int32"), np.zeros((2, 3, 2)), verbose=0)
    model.get_layer("encoder").get_layer("token_embedding").set_weights([A])
    model.save("nested.keras")
    build("bfloat16").save_weights("bf16.weights.h5")

if which == "keras2":
    import tensorflow as tf
    from transformers import BertConfig, T5Config, TFBertModel, TFT5ForConditionalGeneration

    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 4, "max_position_embeddings": 8}
    bert = TFBertModel(BertConfig(vocab_size=23, hidden_size=6, **sizes))
    bert({"input_ids": tf.constant([[1, 2, 3]])})
    bert.save_pretrained("bert")  # tf_model.h5, here tf_bert.h5
    np.save("tf_bert.npy", bert.get_input_embeddings().weight.numpy())
    bert = TFBertModel(BertConfig(vocab_size=23, hidden_size=6, **sizes))
    bert({"input_ids": tf.constant([[1, 2, 3]])})
    bert.save_pretrained("tf_sharded", max_shard_size="1KB")
    np.save("tf_sharded.npy", bert.get_input_embeddings().weight.numpy())
    t5 = TFT5ForConditionalGeneration(T5Config(vocab_size=23, d_model=6, d_kv=2, d_ff=4, num_layers=1, num_heads=2))
    t5(t5.dummy_inputs)
    t5.save_pretrained("t5")  # tf_model.h5, here tf_t5.h5
    np.save("tf_t5.npy", t5.get_input_embeddings().embeddings.numpy())
    ids = tf.keras.Input((None,), dtype="int32")
    words = tf.keras.layers.Embedding(23, 6, name="word_embeddings")(ids)
    model = tf.keras.Model(ids, tf.keras.layers.LSTM(2)(words))
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 3)), np.zeros((2, 2)), verbose=0)
    model.save("keras2_model.h5")
    model.save("keras2.keras")
    np.save("keras2.npy", model.layers[1].get_weights()[0])

if which == "h5py":
    import h5py

    for libver in ("earliest", "latest"):
        with h5py.File(f"h5py_{libver}.h5", "w", libver=libver) as file:
            vars_ = file.create_group("layers/embedding/vars")
            vars_.attrs["name"] = "word_embeddings"
            vars_["0"] = A
            file.create_dataset("chunked", data=A, chunks=(4, 5))
            file.create_dataset("packed", data=A, chunks=(4, 5), compression="gzip", shuffle=True, fletcher32=True)
            file["big_endian"] = A.astype(">f8")
            for number in range(9):
                file[f"half/{number}"] = A.astype("f2")
