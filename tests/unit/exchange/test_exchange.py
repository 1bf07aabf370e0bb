"""Vectors out of files and into them: round trips, checks, and files that lie."""

from __future__ import annotations

import io
import json
import struct
import sys
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vicinal.exchange
from vicinal.errors import (
    AlreadyExistsError,
    DtypeError,
    FormatVersionError,
    InputError,
    MissingExtraError,
    NonFiniteError,
    NotFoundError,
    RangeError,
    ShapeError,
    SpaceMismatchError,
    UnknownNameError,
    UnsupportedError,
    VicinalError,
)
from vicinal.exchange import EXPORT_FORMATS, FORMATS, VectorBatch, import_vectors, read_vectors, write_vectors
from vicinal.exchange.numpy_files import header_bytes
from vicinal.testing import ToyEncoder
from vicinal.testing.index import space_of

DIM, ROWS = 8, 300
SPACE = space_of(DIM)
LOOSE = space_of(DIM, "dot", normalized=False)
DRAWN = np.random.default_rng(5).standard_normal((ROWS, DIM)).astype(np.float32)
UNIT = (DRAWN / np.linalg.norm(DRAWN, axis=1, keepdims=True)).astype(np.float32)


def batches(vectors=UNIT, step=70):
    """Go through vectors with ids, texts and fields that are made of the row."""
    for start in range(0, len(vectors), step):
        rows = range(start, min(start + step, len(vectors)))
        yield VectorBatch(
            first_row=start,
            ids=[f"id-{row}" for row in rows],
            texts=[f"Köln 東京 {row}\n" for row in rows],
            fields=[{"row": row, "tags": ["a", "b"], "none": None} for row in rows],
            vectors=vectors[start : start + step],
        )


def all_of(source, space=SPACE, **options):
    """Return all batches of a source as one array, and all ids."""
    found = list(source.batches(space, **options))
    return np.concatenate([one.vectors for one in found]), [one for batch in found for one in batch.ids]


def saved(path: Path, kind: str, vectors=UNIT) -> Path:
    """Write vectors in a format, as other programs do."""
    if kind == "npy":
        np.save(path, vectors)
    elif kind == "npz":
        np.savez(path, vectors=vectors, ids=np.array([f"n{row}" for row in range(len(vectors))]))
    elif kind == "faiss":
        head = b"IxF2" + struct.pack("<iqqqBi", vectors.shape[1], len(vectors), 1 << 20, 1 << 20, 1, 1)
        path.write_bytes(head + struct.pack("<Q", vectors.size) + vectors.tobytes())
    elif kind == "parquet":
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        from pyarrow import parquet

        columns = {"id": [str(row) for row in range(len(vectors))], "year": [2000] * len(vectors), "emb": list(vectors)}
        parquet.write_table(pa.table(columns), path)
    else:
        component = {"fvecs": "<f4", "ivecs": "<i4", "bvecs": "u1"}[kind]
        lengths = np.full((len(vectors), 1), vectors.shape[1], "<i4").view(np.uint8)
        path.write_bytes(np.hstack([lengths, vectors.astype(component).view(np.uint8)]).tobytes())
    return path


@pytest.mark.parametrize("kind", EXPORT_FORMATS)
def test_what_is_written_is_read_again(tmp_path, kind):
    """Vectors to the bit, ids, texts and fields come back, from any row on, and the space is known."""
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    told: list[tuple[int, int]] = []
    report = write_vectors(tmp_path / "out", batches(), SPACE, kind, progress=lambda *one: told.append(one), total=ROWS)
    assert (report.rows, report.space, told[-1]) == (ROWS, SPACE.id, (ROWS, ROWS))
    source = read_vectors(tmp_path / "out")
    assert (source.count, source.dim, source.space) == (ROWS, DIM, SPACE)
    found, ids = all_of(source, batch_rows=64)
    assert np.array_equal(found, UNIT)
    assert ids == [f"id-{row}" for row in range(ROWS)]
    rest = list(source.batches(SPACE, first_row=130))
    assert rest[0].first_row == 130
    assert (rest[0].ids[0], rest[0].texts[0]) == ("id-130", "Köln 東京 130\n")
    assert rest[0].fields[0] == {"row": 130, "tags": ["a", "b"], "none": None}
    assert list(source.batches(SPACE, first_row=ROWS)) == []


@pytest.mark.parametrize("kind", EXPORT_FORMATS)
def test_nothing_is_written_and_read_again(tmp_path, kind):
    """An export without rows is taken in as nothing."""
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    write_vectors(tmp_path / "out", [], SPACE, kind)
    if kind == "fvecs":  # an empty file has no length of a row, and is refused
        with pytest.raises(InputError, match="empty"):
            read_vectors(tmp_path / "out")
    else:
        assert list(read_vectors(tmp_path / "out").batches(SPACE)) == []


def test_an_export_in_another_space_is_refused(tmp_path):
    """space.json is compared, and the differing field is named."""
    write_vectors(tmp_path / "out", batches(), SPACE)
    assert (tmp_path / "out" / "space.json").read_text() == SPACE.canonical()
    with pytest.raises(SpaceMismatchError, match="pooling") as caught:
        read_vectors(tmp_path / "out").batches(replace(SPACE, pooling="cls"))
    assert caught.value.fields == ("pooling",)


def test_the_space_must_be_told(tmp_path):
    """Without a space there are no vectors, and the message says what to pass; an encoder has one."""
    source = read_vectors(saved(tmp_path / "a.npy", "npy"))
    for wrong in (None, "minilm", UNIT):
        with pytest.raises(InputError, match="space of the vectors must be told"):
            source.batches(wrong)
    with pytest.raises(RangeError, match="unit vectors"):
        all_of(read_vectors(saved(tmp_path / "b.npy", "npy", DRAWN)), ToyEncoder())


@pytest.mark.parametrize("kind", FORMATS)
def test_files_of_other_programs_are_read(tmp_path, kind):
    """Every format as others write it; whole numbers become floats."""
    vectors = np.arange(ROWS * DIM).reshape(ROWS, DIM) % 200 if kind in {"ivecs", "bvecs"} else DRAWN
    source = read_vectors(saved(tmp_path / f"a.{kind}", kind, vectors))
    found, ids = all_of(source, LOOSE, batch_rows=37)
    assert np.array_equal(found, vectors.astype(np.float32))
    assert ids[7] == ("n7" if kind == "npz" else "7")
    assert (source.format, source.count, source.dim, source.space) == (kind, ROWS, DIM, None)
    if kind == "parquet":
        assert next(source.batches(LOOSE)).fields[0] == {"year": 2000}


def test_what_numpy_reads_of_an_export():
    """The header that an export writes is one that NumPy reads, of 128 bytes for every count."""
    for count in (0, 3, 10**12):
        head = header_bytes(count, DIM)
        assert len(head) == 128
        file = io.BytesIO(head)
        assert np.lib.format.read_magic(file) == (1, 0)
        assert np.lib.format.read_array_header_1_0(file) == ((count, DIM), False, np.dtype("<f4"))


@pytest.mark.parametrize(
    "array", [DRAWN.astype("f2"), DRAWN.astype("f8"), DRAWN.astype(">f4"), np.asfortranarray(DRAWN)]
)
def test_numbers_of_other_types_are_converted(tmp_path, array):
    """Half and double precision, big-endian numbers, and columns first."""
    np.save(tmp_path / "a.npy", array)
    found, _ = all_of(read_vectors(tmp_path / "a.npy"), LOOSE, batch_rows=50)
    assert np.array_equal(found, array.astype(np.float32))


def test_vectors_are_checked_and_the_row_is_named(tmp_path):
    """NaN, infinity, a length that the space does not have, a dimension that it does not have."""
    for value, space, error, said in (
        (np.nan, SPACE, NonFiniteError, "Row 171 "),
        (np.inf, LOOSE, NonFiniteError, "Row 171 "),
        (1.5, SPACE, RangeError, "Row 171 of .* has the length"),
    ):
        vectors = UNIT.copy()
        vectors[171, 3] = value
        source = read_vectors(saved(tmp_path / "a.npy", "npy", vectors))
        taken: list[VectorBatch] = []
        with pytest.raises(error, match=said):
            import_vectors(source, space, taken.append, batch_rows=100)
        assert [batch.first_row for batch in taken] == [0]  # the batch of row 171 was not handed on
    with pytest.raises(ShapeError, match="8 components, the space has 9"):
        source.batches(space_of(9))
    big = np.full((2, DIM), 1e300)
    np.save(tmp_path / "big.npy", big)
    with pytest.raises(NonFiniteError):
        all_of(read_vectors(tmp_path / "big.npy"), LOOSE)
    np.save(tmp_path / "whole.npy", np.full((2, DIM), (1 << 24) + 1))
    with pytest.raises(RangeError, match=r"2\^24"):
        all_of(read_vectors(tmp_path / "whole.npy"), LOOSE)


def test_zero_vectors_are_counted(tmp_path):
    """A vector of zeros has no direction; it is taken, and the report says so."""
    vectors = UNIT.copy()
    vectors[[4, 200]] = 0
    report = import_vectors(read_vectors(saved(tmp_path / "a.npy", "npy", vectors)), SPACE, lambda _: None)
    assert (report.rows, report.zero_rows, report.complete, report.next_row) == (ROWS, 2, True, ROWS)


def test_an_import_goes_on_where_it_was(tmp_path):
    """A writer that fails in the third batch has two; the next call takes the rest, and all rows came once."""
    source = read_vectors(saved(tmp_path / "a.npy", "npy"))
    taken: list[VectorBatch] = []

    def write(batch: VectorBatch) -> None:
        if len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(batch)

    with pytest.raises(KeyboardInterrupt):
        import_vectors(source, SPACE, write, batch_rows=80)
    behind = taken[-1].first_row + len(taken[-1])
    told: list[tuple[int, int]] = []
    rest: list[VectorBatch] = []
    report = import_vectors(source, SPACE, rest.append, first_row=behind, progress=lambda *one: told.append(one))
    assert (behind, report.rows, report.complete, told[-1]) == (160, 140, True, (ROWS, ROWS))
    assert [one for batch in taken + rest for one in batch.ids] == [str(row) for row in range(ROWS)]


def test_ids_come_from_a_list_or_a_file(tmp_path):
    """One for each row, strings, not empty, no two of a batch alike."""
    path = saved(tmp_path / "a.npy", "npy", UNIT[:3])
    (tmp_path / "ids.txt").write_text("ä\nb\nc\n", encoding="utf-8")
    assert all_of(read_vectors(path, ids=tmp_path / "ids.txt"))[1] == ["ä", "b", "c"]
    assert all_of(read_vectors(path, ids=["x", "y", "z"]), batch_rows=2, first_row=1)[1] == ["y", "z"]
    for ids, error in (
        (["x"], ShapeError),
        (["x", "y", 3], DtypeError),
        (["x", "", "y"], RangeError),
        (["x", "y", "\ud800"], RangeError),
        (["x", "y", "x"], AlreadyExistsError),
        (7, DtypeError),
    ):
        with pytest.raises(error):
            all_of(read_vectors(path, ids=ids))


def test_paths_that_are_none(tmp_path):
    """Nothing there, an ending that says nothing, a folder that is no export, a folder that is there already."""
    with pytest.raises(NotFoundError):
        read_vectors(tmp_path / "none.npy")
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(UnknownNameError, match="fvecs"):
        read_vectors(tmp_path / "a.bin")
    with pytest.raises(UnknownNameError):
        read_vectors(tmp_path / "a.bin", format="csv")
    with pytest.raises(InputError, match="no export"):
        read_vectors(tmp_path)
    with pytest.raises(AlreadyExistsError):
        write_vectors(tmp_path, batches(), SPACE)
    with pytest.raises(UnknownNameError):
        write_vectors(tmp_path / "b", batches(), SPACE, "npz")


def test_an_export_that_fails_leaves_nothing(tmp_path):
    """An error among the rows, or a batch of another dimension: no folder, and no part of one."""

    def broken():
        yield from batches(UNIT[:70])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_vectors(tmp_path / "out", broken(), SPACE)
    with pytest.raises(ShapeError):
        write_vectors(tmp_path / "out", batches(UNIT), space_of(9))
    bad = replace(next(batches()), fields=[{"a": object()}] * 70)
    with pytest.raises(DtypeError):
        write_vectors(tmp_path / "out", [bad], SPACE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["space.json", "vectors.npy", "records.jsonl", "manifest.json"])
def test_a_changed_export_is_refused(tmp_path, name):
    """Each file is compared with its digest, and the manifest must be one."""
    write_vectors(tmp_path / "out", batches(), SPACE)
    file = tmp_path / "out" / name
    content = bytearray(file.read_bytes())
    content[-2 if name != "manifest.json" else 0] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_vectors(tmp_path / "out")
    file.unlink()
    with pytest.raises(InputError):
        read_vectors(tmp_path / "out")


def test_a_newer_export_is_refused(tmp_path):
    """The format's number is read before the rest."""
    write_vectors(tmp_path / "out", batches(), SPACE)
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format_version": 2}))
    with pytest.raises(FormatVersionError, match="2"):
        read_vectors(tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("npy", header_bytes(10**15, DIM)),
        ("npy", header_bytes(1, 10**9)),
        ("npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff"),
        ("npy", header_bytes(1, DIM).replace(b"<f4", b"|O8") + bytes(32)),
        ("npy", header_bytes(1, DIM).replace(b"(1, 8)", b"(-1,8)") + bytes(32)),
        ("fvecs", struct.pack("<i", -1)),
        ("fvecs", struct.pack("<i", 2**31 - 1)),
        ("fvecs", struct.pack("<iffi", 2, 1, 1, 3) + bytes(8)),
        ("bvecs", b"\x01"),
        ("faiss", b"IxF2" + struct.pack("<iqqqBiQ", DIM, 10**15, 0, 0, 1, 1, DIM * 10**15)),
        ("faiss", b"IxF2" + struct.pack("<iqqqBiQ", DIM, -5, 0, 0, 1, 1, 0)),
        ("faiss", b"IxF2" + struct.pack("<iqqqBiQ", 2**30, 0, 0, 0, 1, 1, 0)),
        ("faiss", b"IxF2" + struct.pack("<iqqqBiQ", DIM, 1, 0, 0, 1, 1, 2**63)),
        ("faiss", (b"IxMp" + struct.pack("<iqqqBi", DIM, 1, 0, 0, 1, 1)) * 50),
        ("faiss", b"IwFl" + struct.pack("<iqqqBiQQ", DIM, 1, 0, 0, 1, 1, 2**62, 1)),
        ("npz", b"PK\x03\x04"),
        ("parquet", b"PAR1" + bytes(64) + struct.pack("<I", 2**31) + b"PAR1"),
        ("parquet", b""),
    ],
)
def test_headers_that_lie_cost_no_memory(tmp_path, kind, content):
    """Huge counts, huge and negative dimensions, objects, endless nesting: an error by name, within 4 MB."""
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match=f"a.{kind}"):
        all_of(read_vectors(path), LOOSE)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_bomb_in_an_archive_is_streamed(tmp_path):
    """64 MB of zeros in 64 KB of an archive: one block is held at a time, and the zeros are no unit vectors' fault."""
    rows = 2 << 20
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("vectors.npy", "w") as file,
    ):
        file.write(header_bytes(rows, DIM))
        for _ in range(64):
            file.write(bytes(1 << 20))
    source = read_vectors(tmp_path / "a.npz")
    tracemalloc.start()
    batch = next(source.batches(LOOSE))
    assert (len(batch), batch.zero_rows) == (1000, 1000)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_archives_that_are_none_of_ours(tmp_path):
    """Two matrices without a name, another compression, a member that is shorter than it says, ids of another count."""
    path = tmp_path / "a.npz"
    np.savez(path, a=UNIT, b=UNIT)
    with pytest.raises(InputError, match="2 matrices"):
        read_vectors(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("vectors.npy", header_bytes(0, DIM))
    with pytest.raises(InputError, match="compressed"):
        read_vectors(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vectors.npy", header_bytes(9, DIM))
    with pytest.raises(InputError, match="does not fit"):
        read_vectors(path)
    np.savez(path, vectors=UNIT, ids=np.arange(3))
    with pytest.raises(InputError, match="ids must be 300"):
        read_vectors(path)
    np.savez(path, vectors=UNIT, ids=np.arange(ROWS), texts=np.array(["ä"] * ROWS))
    batch = next(read_vectors(path).batches(SPACE))
    assert (batch.ids[5], batch.texts[5]) == ("5", "ä")


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_errors_with_a_name(tmp_path, kind, data):
    """Cut anywhere, or with some bytes changed: vectors of the right shape, or an error of ours, and nothing else."""
    vectors = np.abs(UNIT[:20] * 100).astype(np.uint8) if kind in {"ivecs", "bvecs"} else UNIT[:20]
    content = bytearray(saved(tmp_path / f"whole.{kind}", kind, vectors).read_bytes())
    head = min(len(content), 200)
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(
            st.integers(0, head - 1)
            | st.integers(0, len(content) - 1)
            | st.integers(len(content) - head, len(content) - 1)
        )
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        found, _ = all_of(read_vectors(path), LOOSE)
    except (VicinalError, ValueError) as error:
        assert isinstance(error, VicinalError) or "concatenate" in str(error)  # no batch at all
    else:
        assert found.shape[1] == DIM


@pytest.mark.parametrize("kind", ["npy", "fvecs", "npz"])
def test_a_file_that_shrinks_after_it_was_opened(tmp_path, kind):
    """The header was sound; the rows are gone when they are read."""
    path = saved(tmp_path / f"a.{kind}", kind)
    source = read_vectors(path)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(InputError, match=f"a.{kind}"):
        all_of(source)


def kinds_of_faiss():
    """Return factory strings, and whether their files hold vectors."""
    whole = ["Flat", "HNSW8", "IVF8,Flat", "IDMap,Flat", "IDMap2,HNSW8", "IVF8_HNSW8,Flat", "IDMap,IVF8,Flat"]
    return [(one, True) for one in whole] + [(one, False) for one in ("SQ8", "IVF8,SQ8", "LSH", "PCA4,Flat")]


@pytest.mark.parametrize(("factory", "holds"), kinds_of_faiss())
@pytest.mark.parametrize("metric", [0, 1])
def test_files_of_faiss_are_read_without_it(tmp_path, factory, holds, metric):
    """Every vector under its id, as FAISS wrote them; kinds that keep codes are refused, and what to do is said."""
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    index = faiss.index_factory(DIM, factory, faiss.METRIC_L2 if factory == "LSH" else metric)
    index.train(UNIT)
    ids = np.arange(ROWS) + 1000 if "IDMap" in factory else np.arange(ROWS)
    index.add_with_ids(UNIT, ids) if "IDMap" in factory else index.add(UNIT)
    path = tmp_path / "a.index"
    faiss.write_index(index, str(path))
    if not holds:
        with pytest.raises(UnsupportedError, match="reconstruct_n"):
            read_vectors(path)
        return
    source = read_vectors(path)
    assert (source.count, source.dim, source.format) == (ROWS, DIM, "faiss")
    for first_row in (0, 123):
        found, told = all_of(source, batch_rows=50, first_row=first_row)
        rows = np.array(told, dtype=np.int64) - ids[0]
        assert len(set(told)) == ROWS - first_row
        assert np.array_equal(found, UNIT[rows])


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_faiss_reads_what_is_exported(tmp_path, metric):
    """The file of an export is a Flat index with the metric of the space."""
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    write_vectors(tmp_path / "out", batches(), space_of(DIM, metric), "faiss")
    index = faiss.read_index(str(tmp_path / "out" / "vectors.faiss"))
    assert (index.ntotal, index.metric_type) == (ROWS, 1 if metric == "l2" else 0)
    assert np.array_equal(index.reconstruct_n(0, ROWS), UNIT)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    """The message has the command that installs it."""
    monkeypatch.delattr(vicinal.exchange, "_pyarrow", raising=False)
    monkeypatch.setitem(sys.modules, "vicinal.exchange._pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r"pip install 'vicinal\[parquet\]'"):
        read_vectors(tmp_path / "a.parquet")


def test_parquet_that_is_none_of_ours(tmp_path):
    """No vectors, vectors of several lengths, missing ones, missing ids."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path, line = tmp_path / "a.parquet", [0.5] * DIM
    for columns in (
        {"id": ["a"]},
        {"a": [line], "b": [line]},
        {"vector": [line, line[:3]]},
        {"vector": [line, None]},
        {"vector": [line, [None] * DIM]},
        {"vector": [None, line]},
        {"vector": [line, line], "id": ["a", None]},
        {"vector": [line, line], "fields": ["{}", "[1]"]},
        {"vector": [line, line], "fields": ["{}", '{"a": NaN}']},
    ):
        parquet.write_table(pa.table(columns), path)
        with pytest.raises(InputError, match=r"a\.parquet"):
            all_of(read_vectors(path), LOOSE)


def test_a_missing_file_of_ids_is_named(tmp_path):
    """The file that is missing is named, and not the vectors that are there."""
    np.save(tmp_path / "vectors.npy", UNIT)
    with pytest.raises(NotFoundError, match=r"no file of ids .*nowhere\.txt"):
        read_vectors(tmp_path / "vectors.npy", ids=tmp_path / "nowhere.txt")
