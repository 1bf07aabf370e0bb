"""Derived arrays on disk: whole or not at all, and a damaged one is left aside with its name."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from vicinal._generations import prune, write_stamps
from vicinal.errors import DamagedIndexWarning, DtypeError, ReadOnlyError, ShapeError, StoreError, UnknownNameError
from vicinal.index import generation

CODES = np.arange(500_000, dtype=np.uint32)


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "array",
    [
        CODES,
        np.zeros((0, 4), np.float32),
        np.array(1, np.bool_),
        np.arange(24, dtype=np.int8).reshape(2, 3, 4)[:, ::-1],
        np.arange(6, dtype=">i4"),
        np.frombuffer(b"text", np.uint8),
    ],
)
def test_what_was_published_is_read(tmp_path: Path, array: np.ndarray) -> None:
    """An array of any shape comes back equal, read only, in the machine's own byte order, with the meta."""
    path = generation.publish(tmp_path / "new" / "folder", {"one": array}, {"said": [1, "ä"]})
    found = generation.latest(tmp_path / "new" / "folder")
    assert found is not None
    assert (found.number, found.path, found.meta) == (1, path, {"said": [1, "ä"]})
    assert found.arrays["one"].shape == array.shape
    assert found.arrays["one"].dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found.arrays["one"], array)
    assert not found.arrays["one"].flags.writeable


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    """A folder that is missing, empty, or holds other things has no generation, and no warning."""
    assert generation.latest(tmp_path / "missing") is None
    (tmp_path / "0").mkdir()
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "file").touch()
    assert generation.latest(tmp_path) is None
    assert generation.latest(tmp_path / "file") is None


def test_newest_two_stay(tmp_path: Path) -> None:
    """The newest serves; the one before stays for whoever is opening it; older ones and other things are told apart."""
    (tmp_path / "notes").write_text("mine")
    for number in range(4):
        generation.publish(tmp_path, {"one": np.array([number])}, {})
    assert names(tmp_path) == ["3", "4", "notes"]
    found = generation.latest(tmp_path)
    assert found is not None
    assert found.arrays["one"].tolist() == [3]
    prune(tmp_path, kept=1)
    assert names(tmp_path) == ["4", "notes"]


def test_what_is_mapped_stays_readable(tmp_path: Path) -> None:
    """A reader keeps its arrays when their generation is removed."""
    generation.publish(tmp_path, {"one": CODES}, {})
    found = generation.latest(tmp_path)
    assert found is not None
    for _ in range(2):
        generation.publish(tmp_path, {}, {})
    assert not found.path.exists()
    assert found.arrays["one"].sum() == CODES.sum(dtype=np.uint64)


def test_meta_that_is_not_accepted_is_passed_over(tmp_path: Path) -> None:
    """The newest accepted generation is taken, in silence, and files of others are not looked at."""
    generation.publish(tmp_path, {"one": CODES}, {"lane": 1})
    path = generation.publish(tmp_path, {"one": CODES}, {"lane": 2})
    (path / "one.bin").write_bytes(b"")
    found = generation.latest(tmp_path, lambda meta: meta["lane"] == 1)
    assert found is not None
    assert found.number == 1
    assert generation.latest(tmp_path, lambda _: False) is None


def test_blocks_make_one_array(tmp_path: Path) -> None:
    """Blocks of any size, an empty one too, lie behind one another, and their checksums are those of the whole."""
    with generation.publish_stream(tmp_path, {"a": 1}) as draft:
        for start, end in ((0, 1), (1, 1), (1, 262_144), (262_144, 300_001), (300_001, len(CODES))):
            draft.append("codes", CODES[start:end])
        draft.put("scalar", np.array(1.5))
        draft.meta["b"] = 2
    found = generation.latest(tmp_path)
    assert found is not None
    assert found.meta == {"a": 1, "b": 2}
    assert np.array_equal(found.arrays["codes"], CODES)
    generation.verify(found)
    sums = json.loads((found.path / "manifest.json").read_bytes().splitlines()[0])["arrays"]["codes"]["crc32"]
    whole = CODES.tobytes()
    assert sums == [zlib.crc32(whole[: 1 << 20]), zlib.crc32(whole[1 << 20 :])]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A wrong name, type or shape is refused; an array whole is all or nothing."""
    wrong = [
        ("../up", CODES, UnknownNameError),
        ("Codes", CODES, UnknownNameError),
        ("", CODES, UnknownNameError),
        ("one", np.array([object()]), DtypeError),
        ("one", np.array(["text"]), DtypeError),
    ]
    for name, array, error in wrong:
        with pytest.raises(error):
            generation.publish(tmp_path, {name: array}, {})
    with generation.publish_stream(tmp_path / "twice", {}) as draft:
        draft.put("one", CODES)
        with pytest.raises(UnknownNameError, match="before"):
            draft.put("one", CODES)
    with generation.publish_stream(tmp_path / "blocks", {}) as draft:
        draft.append("one", CODES)
        for block, error in ((CODES.astype(np.int64), DtypeError), (CODES.reshape(-1, 2), ShapeError)):
            with pytest.raises(error):
                draft.append("one", block)
        with pytest.raises(ShapeError):
            draft.append("two", np.array(1))
    assert names(tmp_path) == ["blocks", "twice"]


def test_interrupted_draft_is_gone(tmp_path: Path) -> None:
    """Ctrl-C in the middle publishes nothing and leaves nothing; what was there stays."""
    generation.publish(tmp_path, {"one": CODES}, {})

    def interrupted() -> None:
        with generation.publish_stream(tmp_path, {}) as draft:
            draft.append("one", CODES)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == ["1"]


def test_draft_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    """A killed publisher leaves a draft, which is no generation; the next publication removes it, but no living one's."""
    code = (
        "import os, signal, sys; from pathlib import Path; import numpy as np; from vicinal.index import generation\n"
        "with generation.publish_stream(Path(sys.argv[1]), {}) as draft:\n"
        "    draft.append('one', np.arange(10)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert [name[-5:] for name in names(tmp_path)] == [".part"]
    assert generation.latest(tmp_path) is None
    living = tmp_path / "living.part"
    living.mkdir()
    handle = os.open(living, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    generation.publish(tmp_path, {}, {})
    assert names(tmp_path) == ["1", "living.part"]
    os.close(handle)
    generation.publish(tmp_path, {}, {})
    assert names(tmp_path) == ["1", "2"]


@pytest.mark.parametrize("file", ["codes.bin", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "empty", "missing"])
def test_damage_is_named_and_left_aside(tmp_path: Path, file: str, damage: str) -> None:
    """Any damage to the newest generation is a warning with the file's path, and the one before serves."""
    generation.publish(tmp_path, {"codes": CODES}, {})
    path = generation.publish(tmp_path, {"codes": CODES}, {}) / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    whole = path.read_bytes()
    path.write_bytes({"flip": bytes(content), "cut": whole[:-1], "grow": whole + b"\n", "empty": b""}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    with pytest.warns(DamagedIndexWarning, match=file):
        found = generation.latest(tmp_path)
    assert found is not None
    assert found.number == 1


def test_every_flipped_byte_of_a_manifest_is_seen(tmp_path: Path) -> None:
    """No single changed byte of the manifest can change what is read."""
    path = generation.publish(tmp_path, {"one": np.arange(3)}, {"lane": 7}) / "manifest.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        with pytest.warns(DamagedIndexWarning, match="manifest"):
            assert generation.latest(tmp_path) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "object", "shape": [1], "size": 8, "crc32": [0]},
        {"dtype": "int64", "shape": [-1], "size": -8, "crc32": []},
        {"dtype": "int64", "shape": [1 << 62], "size": 1 << 65, "crc32": []},
        {"dtype": "int64", "shape": [1], "size": 16, "crc32": [0]},
        {"dtype": "int64", "shape": "1", "size": 8, "crc32": [0]},
        "text",
    ],
)
def test_forged_manifest_is_refused(tmp_path: Path, entry: object) -> None:
    """A manifest with a right seal and wrong sense is damage as well, and no memory is asked for on its word."""
    path = generation.publish(tmp_path, {"one": np.arange(1)}, {}) / "manifest.json"
    body = json.dumps({"version": 1, "block_bytes": 1 << 20, "arrays": {"one": entry}, "meta": {}}).encode()
    path.write_bytes(body + b"\n%08x\n" % zlib.crc32(body))
    with pytest.warns(DamagedIndexWarning):
        assert generation.latest(tmp_path) is None


def test_copy_is_proven_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied files have other stamps: their bytes are read once, and trusted from then on."""
    generation.publish(tmp_path / "a", {"one": CODES}, {})
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    read: list[Path] = []
    check = generation._check_blocks
    monkeypatch.setattr(generation, "_check_blocks", lambda file, entry: (read.append(file), check(file, entry)))
    for folder, times in (("a", 0), ("b", 1), ("b", 1)):
        assert generation.latest(tmp_path / folder) is not None
        assert len(read) == times


def test_rot_behind_the_stamps_is_seen_by_verify(tmp_path: Path) -> None:
    """A full verification reads every byte whatever the stamps say, and what it refuted is not trusted again."""
    path = generation.publish(tmp_path, {"one": CODES}, {})
    found = generation.latest(tmp_path)
    assert found is not None
    with (path / "one.bin").open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"\xff")
    write_stamps(path, {"one": path / "one.bin"})
    assert generation.latest(tmp_path) is not None
    with pytest.warns(DamagedIndexWarning, match="block 1"):
        generation.verify(found)
    with pytest.warns(DamagedIndexWarning, match="block 1"):
        assert generation.latest(tmp_path) is None


def test_many_publish_at_once(tmp_path: Path) -> None:
    """Publishers at the same time get numbers of their own, and the last number is whole."""

    def one() -> None:
        for _ in range(5):
            generation.publish(tmp_path, {"one": CODES[:1000]}, {})

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = generation.latest(tmp_path)
    assert found is not None
    assert found.number == 20
    assert names(tmp_path) == ["19", "20"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder without the right to write is an error with a name; reading from it works."""
    generation.publish(tmp_path, {"one": CODES}, {})
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ReadOnlyError):
            generation.publish(tmp_path, {}, {})
        assert generation.latest(tmp_path) is not None
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A folder that is a file is an error of the store with its path."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        generation.publish(tmp_path / "file", {}, {})
