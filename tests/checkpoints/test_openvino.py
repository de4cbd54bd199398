"""OpenVINO models: held against what the runtime looks up, valid and damaged."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from damaging import overwrite

from charvec import checkpoints
from charvec.checkpoints import openvino as member
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.plumbing.graphs import openvino_file
from charvec.rows import read_rows

DATA = Path(__file__).resolve().parents[1] / "data" / "openvino"
GOLDEN = {
    "float16": ("word_embeddings.weight_compressed", ""),
    "behind": ("word_embeddings.weight_quantized", "uint8, one scale"),
    "rows": ("word_embeddings.weight", "uint8, one scale a row"),
    "blocks": ("word_embeddings.weight", "uint4, one scale for 8 columns"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_what_openvino_wrote(name: str) -> None:
    """The table of words; its rows are what the runtime looks up."""
    choice = find_embedding(checkpoints.read(DATA / f"{name}.xml"))
    assert (choice.tensor.name, choice.tensor.quantised) == GOLDEN[name]
    assert "'input_ids'" in choice.reason
    ids = np.array([31, 0, 7, 7, 12])
    rows, truth = read_rows(choice.tensor, ids)[0], np.load(DATA / f"{name}.npy")[ids]
    if name == "behind":
        # the runtime fuses subtraction and multiplication into one operation, which rounds once instead of twice
        np.testing.assert_allclose(rows, truth, rtol=0, atol=3e-7)
        exact = np.load(DATA.parent / "onnx" / "dynamic.npy")[ids]
        np.testing.assert_allclose(rows, exact, rtol=0, atol=3e-7)
    else:
        np.testing.assert_array_equal(rows.view("u4"), truth.view("u4"))


def test_the_files_go_together(tmp_path: Path) -> None:
    """A folder, either file; the constants may be missing or cut short."""
    xml, data = tmp_path / "openvino_model.xml", tmp_path / "openvino_model.bin"
    shutil.copy(DATA / "rows.xml", xml)
    shutil.copy(DATA / "rows.bin", data)
    for path in (tmp_path, xml, data):
        assert checkpoints.locate(path) == str(xml)
    assert set(checkpoints.read(tmp_path).files) == {str(xml), str(data)}
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    assert refusal(xml) == "E-TRUNCATED"
    data.unlink()
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(xml)
    assert (caught.value.code, caught.value.exit_code) == ("E-SHARD-MISSING", 66)


def refusal(path: Path) -> str:
    """The code a file is refused with."""
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    assert caught.value.exit_code == 65 and caught.value.help and caught.value.path
    return caught.value.code


def constant(shape: str, offset: str, size: str) -> str:
    """A model of one constant."""
    data = f'<data element_type="f32" shape="{shape}" offset="{offset}" size="{size}"/>'
    layer = f'<layer id="1" type="Const">{data}<output><port id="0"/></output></layer>'
    return f'<net name="x"><layers>{layer}</layers></net>'


LAUGHS = "".join(f'<!ENTITY l{place} "{f"&l{place - 1};" * 10}">' for place in range(1, 10))
BAD = {
    "a document type": '<?xml version="1.0"?>\n<net name="x" version="11"><!DOCTYPE net></net>',
    "not XML": '<?xml version="1.0"?>\n<net name="x" version="11"><a></b></net>',
    "deep": '<?xml version="1.0"?>\n<net name="x">' + "<a>" * 5000 + "</a>" * 5000 + "</net>",
    "an id twice": '<net name="x"><layers><layer id="1"/><layer id="1"/></layers></net>',
    "a size of 2^63": constant("9223372036854775808, 4", "0", "16"),
    "bytes that do not fit": constant("2, 4", "0", "16"),
    "a place that is no number": constant("2, 4", "x", "32"),
    "a reference to nothing": '<net name="&x;"></net>',
    **{
        f"an encoding called {name}": f'<?xml version="1.0" encoding="{name}"?><net name="x"></net>'
        for name in ("nowhere", "hex", "idna", "utf-7", "gbk")
    },
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path) -> None:
    """Each is refused by its code."""
    (tmp_path / "x.xml").write_text(BAD[name])
    (tmp_path / "x.bin").write_bytes(bytes(64))
    assert refusal(tmp_path / "x.xml") == "E-OPENVINO"


def test_entities_are_never_expanded(tmp_path: Path) -> None:
    """Neither those that multiply nor those that name files; such documents are not even recognised, or refused."""
    (tmp_path / "x.bin").write_bytes(bytes(64))
    for kind in (f'<!DOCTYPE net [<!ENTITY l0 "ha">{LAUGHS}]>', '<!DOCTYPE net [<!ENTITY l9 SYSTEM "/etc/hostname">]>'):
        (tmp_path / "x.xml").write_text(f'<?xml version="1.0"?>{kind}<net name="&l9;">&l9;</net>')
        assert refusal(tmp_path / "x.xml") == "E-NOT-WEIGHTS"
        with File(tmp_path / "x.xml") as file, pytest.raises(CharvecError) as caught:
            member.read(file)
        assert caught.value.code == "E-OPENVINO"


def test_constants_beyond_their_file(tmp_path: Path) -> None:
    """Whatever they are for, also the axis of a Gather."""
    text = (DATA / "rows.xml").read_text()
    shutil.copy(DATA / "rows.bin", tmp_path / "x.bin")
    for old, new in (('offset="624"', 'offset="999999999"'), ('offset="16"', 'offset="4000000000000"')):
        assert old in text
        (tmp_path / "x.xml").write_text(text.replace(old, new))
        assert refusal(tmp_path / "x.xml") == "E-TRUNCATED"


def test_an_axis_that_is_not_that_of_the_rows(tmp_path: Path) -> None:
    """Then nothing is looked up by piece, and only names are left to go by."""
    data = bytearray((DATA / "rows.bin").read_bytes())
    assert data[624:632] == bytes(8)
    data[624] = 1
    (tmp_path / "x.bin").write_bytes(data)
    shutil.copy(DATA / "rows.xml", tmp_path / "x.xml")
    assert checkpoints.read(tmp_path / "x.xml").embedding is None


def test_ports_that_are_no_numbers(tmp_path: Path) -> None:
    """An input is found by whatever its port is called."""
    text = (DATA / "rows.xml").read_text()
    layer, rest = text[text.index('<layer id="0" name="input_ids"') :].split("</layer>", 1)
    edge = 'from-layer="0" from-port="0"'
    assert layer.count('<port id="0"') == 1 and edge in rest
    text = text.replace(layer, layer.replace('<port id="0"', '<port id="1:2"'))
    text = text.replace(edge, 'from-layer="0" from-port="1:2"')
    (tmp_path / "x.xml").write_text(text)
    shutil.copy(DATA / "rows.bin", tmp_path / "x.bin")
    embedding = checkpoints.read(tmp_path / "x.xml").embedding
    assert embedding is not None and "'input_ids'" in embedding[1]


def test_types_that_are_not_read(tmp_path: Path) -> None:
    """The table is known, and refused; no other is taken for it."""
    text = (DATA / "blocks.xml").read_text()
    (tmp_path / "x.xml").write_text(
        text.replace('element_type="u4" shape="32, 2, 8"', 'element_type="nf4" shape="32, 2, 8"')
    )
    shutil.copy(DATA / "blocks.bin", tmp_path / "x.bin")
    with pytest.raises(CharvecError) as caught:
        find_embedding(checkpoints.read(tmp_path / "x.xml"))
    assert caught.value.code == "E-QUANTISED" and "'word_embeddings.weight'" in caught.value.message


def test_layers_of_one_name(tmp_path: Path) -> None:
    """Both are listed."""
    text = (DATA / "rows.xml").read_text().replace('"position_embeddings.weight"', '"word_embeddings.weight"')
    (tmp_path / "x.xml").write_text(text)
    shutil.copy(DATA / "rows.bin", tmp_path / "x.bin")
    checkpoint = checkpoints.read(tmp_path / "x.xml")
    assert {name.split(" ")[0] for name in checkpoint if name.startswith("word")} == {
        "word_embeddings.weight",
        "word_embeddings.weight/zero_point",
        "word_embeddings.weight/scale",
    }
    rows, _ = read_rows(find_embedding(checkpoint).tensor, np.arange(32))
    np.testing.assert_array_equal(rows, np.load(DATA / "rows.npy"))


def test_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beginning of the XML file is cut short, or too short to be recognised; however the portions fall."""
    whole = (DATA / "float16.xml").read_bytes().rstrip()
    shutil.copy(DATA / "float16.bin", tmp_path / "x.bin")
    codes = set()
    for length in range(1, len(whole), 37):
        monkeypatch.setattr(openvino_file, "PORTION", 1 + length % 99)
        overwrite(tmp_path / "x.xml", whole[:length])
        codes.add(refusal(tmp_path / "x.xml"))
    assert codes <= {"E-TRUNCATED", "E-FORMAT", "E-NOT-WEIGHTS"}


def test_mutants(tmp_path: Path) -> None:
    """Bytes changed give a checkpoint whose rows can be read, or one of our errors."""
    generator = random.Random(9)
    path = tmp_path / "x.xml"
    for name in ("behind", "rows", "blocks"):
        shutil.copy(DATA / f"{name}.bin", tmp_path / "x.bin")
        whole = (DATA / f"{name}.xml").read_bytes()
        for _ in range(120):
            data = bytearray(whole)
            for _ in range(generator.randrange(1, 4)):
                data[generator.randrange(len(data))] = generator.choice(
                    (*b"0123456789-, <>\"'x\0", generator.randrange(256))
                )
            overwrite(path, data)
            try:
                tensor = find_embedding(checkpoints.read(path)).tensor
                read_rows(tensor, np.arange(min(tensor.rows, 40)))
            except CharvecError as error:
                assert error.exit_code in (65, 66)
