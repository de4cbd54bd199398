"""Writes the golden files of this folder and the tables in ../texts with the programs they are named after.

Run it where pandas, polars, duckdb, datasets and pyarrow are installed: ``python make.py``. Their versions go into
versions.json.
"""

import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import datasets
import duckdb
import pandas
import polars

HERE = Path(__file__).parent
TEXTS = HERE.parent / "texts"

ROWS = [
    {"id": 1, "text": "字 charvec\né😀\n", "label": "a"},
    {"id": 2, "text": '今天,天气"不错"', "label": "b"},
    {"id": 3, "text": "", "label": "a"},
    {"id": 4, "text": "tab\tend; a|b", "label": "b"},
    {"id": 5, "text": "行\u2028分\\u4e2d", "label": "a"},
    {"id": 6, "text": None, "label": None},
    {"id": 7, "text": "第七", "label": "b"},
]
#: What the tables beside the other sample files hold, in two rows.
SHORT = ["字 charvec\n", "é😀\n"]

frame = pandas.DataFrame(ROWS)
frame.to_json(HERE / "pandas.lines.json", orient="records", lines=True)
frame.to_json(HERE / "pandas.array.json", orient="records")
frame.to_json(HERE / "pandas.indented.json", orient="records", indent=2, force_ascii=False)
frame.to_csv(HERE / "pandas.comma.csv", index=False)
frame.to_csv(HERE / "pandas.tab.tsv", index=False, sep="\t")
frame.to_csv(HERE / "pandas.semicolon.csv", index=False, sep=";", lineterminator="\r\n")
frame.to_parquet(HERE / "pandas.parquet", index=False)
frame.to_feather(HERE / "pandas.arrow")
frame.astype({"text": "category"}).to_parquet(HERE / "pandas.category.parquet", index=False)

table = polars.DataFrame(ROWS)
table.write_ndjson(HERE / "polars.lines.json")
table.write_csv(HERE / "polars.comma.csv")
table.write_parquet(HERE / "polars.parquet", row_group_size=3)
table.write_ipc(HERE / "polars.arrow")
table.write_ipc_stream(HERE / "polars.stream.arrow")

connection = duckdb.connect()
connection.register("rows", frame)
for name, options in (
    ("duckdb.lines.json", "FORMAT JSON"),
    ("duckdb.array.json", "FORMAT JSON, ARRAY true"),
    ("duckdb.comma.csv", "FORMAT CSV, HEADER"),
    ("duckdb.parquet", "FORMAT PARQUET, COMPRESSION ZSTD"),
):
    connection.execute(f"COPY (SELECT * FROM rows) TO '{HERE / name}' ({options})")

with tempfile.TemporaryDirectory() as folder:
    data = datasets.Dataset.from_list(ROWS)
    data.save_to_disk(folder)
    shutil.copy(next(Path(folder).glob("*.arrow")), HERE / "datasets.stream.arrow")
    data.to_parquet(HERE / "datasets.parquet")
    data.to_json(HERE / "datasets.lines.json", force_ascii=False)
    chat = [{"messages": [{"role": "user", "content": row["text"]}, {"role": "bot", "content": "好"}]} for row in ROWS]
    datasets.Dataset.from_list(chat).to_parquet(HERE / "datasets.chat.parquet")
with tempfile.TemporaryDirectory() as folder:
    datasets.Dataset.from_dict({"text": SHORT}).save_to_disk(folder)
    shutil.copy(next(Path(folder).glob("*.arrow")), TEXTS / "arrow.datasets.stream.arrow")

short = polars.DataFrame({"text": SHORT})
short.write_parquet(TEXTS / "parquet.polars.parquet")
short.write_ipc(TEXTS / "arrow.polars.arrow")
pandas.DataFrame({"text": SHORT}).to_parquet(TEXTS / "parquet.pandas.parquet")

programs = ("pandas", "polars", "duckdb", "datasets", "pyarrow")
(HERE / "versions.json").write_text(json.dumps({name: version(name) for name in programs}, indent=1) + "\n", "utf-8")
