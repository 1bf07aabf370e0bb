"""Walking a folder: what is read, in which order, and what is reported instead."""

import os
import socket
from pathlib import Path

import pytest

from vicinal.read import read
from vicinal.types import Document, Skipped


def make(root, files):
    """Write files by their paths under a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def ids(root, **options):
    """Return the ids of what is read, and (source, reason, failed) of what is not."""
    found = list(read(root, base=root, **options))
    documents = [item.id for item in found if isinstance(item, Document)]
    return documents, [(item.source, item.reason, item.failed) for item in found if isinstance(item, Skipped)]


def test_files_come_sorted_with_relative_ids_and_their_format(tmp_path):
    """Names decide the order, folders in their place; path and format can be filtered on."""
    make(tmp_path, {"b.md": "# B", "a/z.py": "x = 1", "a/y.txt": "y", "c": "c"})
    found = list(read(tmp_path, base=tmp_path))
    assert [document.id for document in found] == ["a/y.txt", "a/z.py", "b.md", "c"]
    assert [document.form for document in found] == ["text", "python", "markdown", "text"]
    assert found[2] == Document(
        id="b.md", text="# B", source="b.md", form="markdown", fields={"path": "b.md", "format": "markdown"}
    )


def test_ids_are_absolute_outside_of_the_base(tmp_path):
    """Without a base, or beside it, the whole path is the id."""
    make(tmp_path, {"a/x.txt": "x", "b/y.txt": "y"})
    absolute = (Path(os.path.realpath(tmp_path)) / "a/x.txt").as_posix()
    assert [document.id for document in read(tmp_path / "a")] == [absolute]
    assert [document.id for document in read(tmp_path / "a", base=tmp_path / "b")] == [absolute]
    assert [document.id for document in read(tmp_path / "a", base=tmp_path)] == ["a/x.txt"]


def test_ids_do_not_depend_on_how_the_folder_is_named(tmp_path, monkeypatch):
    """A relative path, dots and a file named directly give the same id."""
    make(tmp_path, {"a/x.txt": "x"})
    monkeypatch.chdir(tmp_path)
    for name in ("a", "./a/", "a/../a", "a/x.txt", str(tmp_path)):
        assert [document.id for document in read(name, base=Path())] == ["a/x.txt"]


def test_hidden_names_and_folders_of_programs_are_passed_over(tmp_path):
    """Nobody wrote them to be read; named itself, a hidden file is read."""
    files = [".git/config", ".venv/a.py", "node_modules/a.js", "__pycache__/a.txt", ".hidden.txt", "seen.txt"]
    make(tmp_path, dict.fromkeys(files, "text"))
    assert ids(tmp_path) == (["seen.txt"], [])
    assert [document.id for document in read(tmp_path / ".hidden.txt", base=tmp_path)] == [".hidden.txt"]


def test_gitignore_holds_at_every_level(tmp_path):
    """A deeper file overrules a higher one, "!" keeps, a bad line is passed over."""
    files = {".gitignore": "*.log\n!\nbuild/\n/top.txt\n", "a.log": "x", "build/x.txt": "x", "top.txt": "x"}
    files |= {"sub/.gitignore": "!keep.log\n*.tmp", "sub/keep.log": "x", "sub/b.tmp": "x", "sub/top.txt": "x"}
    make(tmp_path, files)
    assert ids(tmp_path) == (["sub/keep.log", "sub/top.txt"], [])


def test_the_rules_of_the_repository_around_hold_too(tmp_path):
    """A folder of a repository is read as git sees it; an ignored folder is read when it is named."""
    make(tmp_path, {".git/HEAD": "x", ".gitignore": "*.log\nbuild/\n", "docs/a.md": "a", "docs/b.log": "b"})
    make(tmp_path, {"build/c.txt": "c", "build/d.log": "d"})
    assert ids(tmp_path / "docs")[0] == ["a.md"]
    assert ids(tmp_path / "build")[0] == ["c.txt", "d.log"]


def test_links_are_reported_and_never_followed(tmp_path):
    """A loop, a way out and a link to what is read anyway give no second document."""
    make(tmp_path, {"in/a.txt": "a", "in/sub/b.txt": "b", "out.txt": "secret"})
    root = tmp_path / "in"
    (root / "again.txt").symlink_to("a.txt")
    (root / "sub/up").symlink_to("..")
    (root / "out.txt").symlink_to(tmp_path / "out.txt")
    (root / "round").symlink_to("round")
    (root / "gone").symlink_to("nothing")
    documents, skipped = ids(root)
    assert documents == ["a.txt", "sub/b.txt"]
    assert skipped == [
        ("again.txt", "link", False),
        ("gone", "link", True),
        ("out.txt", "link", False),
        ("round", "link", True),
        ("sub/up", "link", False),
    ]


def test_a_link_that_is_named_is_followed(tmp_path):
    """The caller chose it; its own name is the id."""
    make(tmp_path, {"a.txt": "a", "folder/b.txt": "b"})
    (tmp_path / "link.txt").symlink_to("a.txt")
    (tmp_path / "other").symlink_to("folder")
    assert [document.id for document in read(tmp_path / "link.txt", base=tmp_path)] == ["link.txt"]
    assert [document.id for document in read(tmp_path / "other", base=tmp_path)] == ["other/b.txt"]


def test_a_database_is_never_entered(tmp_path):
    """The program does not index itself."""
    make(tmp_path, {"notes/vicinal.sqlite": "x", "notes/a.txt": "a", "b.txt": "b"})
    assert ids(tmp_path) == (["b.txt"], [("notes", "database", False)])
    assert ids(tmp_path / "notes") == ([], [(".", "database", True)])  # it was named: a hole


def test_pipes_and_sockets_are_never_opened(tmp_path, monkeypatch):
    """Opening a pipe would wait for ever."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.txt")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.txt")
    assert ids(tmp_path) == ([], [("pipe.txt", "not a file", False), ("socket.txt", "not a file", False)])
    assert [item.reason for item in read(tmp_path / "pipe.txt", base=tmp_path)] == ["not a file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_what_may_not_be_read_is_a_failure(tmp_path):
    """A folder and a file without permission are named; the rest goes on."""
    make(tmp_path, {"a.txt": "a", "closed/b.txt": "b", "c.txt": "c"})
    (tmp_path / "a.txt").chmod(0)
    (tmp_path / "closed").chmod(0)
    expected = (["c.txt"], [("a.txt", "unreadable", True), ("closed", "unreadable", True)])
    try:
        assert ids(tmp_path) == expected
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_what_the_system_refuses_is_a_failure(tmp_path, monkeypatch):
    """The same where the tests run as the superuser: the refusal is made by hand."""
    make(tmp_path, {"a.txt": "a", "closed/b.txt": "b", "c.txt": "c"})
    scan, opened = os.scandir, os.open

    def refuse(real, name):
        def call(path, *rest):
            if str(path).endswith(name):
                raise PermissionError(13, "Permission denied")
            return real(path, *rest)

        return call

    monkeypatch.setattr(os, "scandir", refuse(scan, "closed"))
    monkeypatch.setattr(os, "open", refuse(opened, "a.txt"))
    assert ids(tmp_path) == (["c.txt"], [("a.txt", "unreadable", True), ("closed", "unreadable", True)])


def test_a_file_that_vanishes_while_the_folder_is_read_is_reported(tmp_path):
    """Between the listing and the reading others may delete."""
    make(tmp_path, {"a.txt": "a", "b.txt": "b", "c/d.txt": "d"})
    found = read(tmp_path, base=tmp_path)
    assert next(found).id == "a.txt"
    (tmp_path / "b.txt").unlink()
    (tmp_path / "c/d.txt").unlink()
    (tmp_path / "c").rmdir()
    assert [(item.source, item.reason, item.failed) for item in found] == [
        ("b.txt", "unreadable", True),
        ("c", "unreadable", True),
    ]


def test_a_name_that_is_no_text_is_reported(tmp_path):
    """An id must be UTF-8; the report shows the bytes."""
    name = os.fsencode(str(tmp_path)) + b"/caf\xe9.txt"
    try:
        Path(os.fsdecode(name)).write_text("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert ids(tmp_path) == ([], [("caf\\xe9.txt", "unreadable", True)])
    assert [item.failed for item in read(os.fsdecode(name))] == [True]


def test_deep_folders_need_no_recursion(tmp_path, monkeypatch):
    """A tree of 150 folders in one another is walked."""
    deep = tmp_path.joinpath(*["d"] * 150)
    deep.mkdir(parents=True)
    (deep / "x.txt").write_text("x")
    assert len(ids(tmp_path)[0]) == 1


def test_a_folder_is_read_lazily(tmp_path):
    """The second file is not opened before the first was taken."""
    make(tmp_path, {"a.txt": "a", "b.txt": "b"})
    found = read(tmp_path, base=tmp_path)
    next(found)
    (tmp_path / "b.txt").write_text("changed")
    assert next(found).text == "changed"
