"""What a file is, by its name: the format that reads it and the form that its text has for the chunker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a file is read. ``name`` goes into the field ``format``; ``known`` is false where only its content tells."""

    name: str
    form: str
    known: bool = True


UNKNOWN = Format(name="text", form="text", known=False)
ROWS = frozenset({"json", "jsonl", "csv", "tsv", "parquet"})
"""Formats of which one file gives many documents."""

_NAMED = {
    ("text", "text"): "txt text log",
    ("markdown", "markdown"): "md markdown mdown mkd mdx qmd",
    ("rst", "rst"): "rst rest",
    ("html", "markdown"): "html htm xhtml",
    ("python", "python"): "py pyi pyw",
    ("json", "text"): "json",
    ("jsonl", "text"): "jsonl ndjson",
    ("csv", "text"): "csv",
    ("tsv", "text"): "tsv tab",
    ("parquet", "text"): "parquet pq",
    ("code", "code"): (
        "ada adb ads asm awk bash bat bzl c cc cfg clj cljs cmake coffee conf cpp cs css cu cxx d dart el elm erl ex exs "
        "f f03 f90 f95 fish for fs fsx gd glsl go gradle graphql groovy h hcl hh hpp hrl hs hxx inc ini java jl js jsx kt "
        "kts less lisp lua m mjs mk ml mli mm nim nix pas php pl pm pp prolog proto ps1 properties pyx pxd r rb rkt rs "
        "s sass scala scm scss sh sol sql svelte swift tcl tex tf thrift toml ts tsx v vb vhd vim vue wat xml xsd xsl yaml "
        "yml zig zsh"
    ),
}
FORMATS = {
    suffix: Format(name=name, form=form) for (name, form), suffixes in _NAMED.items() for suffix in suffixes.split()
}
WHOLE_NAMES = dict.fromkeys(
    ("makefile", "gnumakefile", "dockerfile", "jenkinsfile", "vagrantfile", "rakefile"), FORMATS["sh"]
)
BINARY = frozenset(
    [
        "7z",
        "a",
        "aac",
        "accdb",
        "aiff",
        "apk",
        "arrow",
        "avi",
        "avif",
        "avro",
        "bin",
        "blend",
        "bmp",
        "br",
        "bz2",
        "cab",
        "class",
        "cur",
        "dat",
        "db",
        "deb",
        "dex",
        "dll",
        "dmg",
        "doc",
        "docm",
        "docx",
        "dylib",
        "ear",
        "eot",
        "epub",
        "exe",
        "feather",
        "fbx",
        "flac",
        "flv",
        "gif",
        "glb",
        "gz",
        "h5",
        "hdf5",
        "heic",
        "heif",
        "icns",
        "ico",
        "img",
        "iso",
        "jar",
        "jfif",
        "jp2",
        "jpeg",
        "jpg",
        "jxl",
        "lib",
        "lz4",
        "lzma",
        "m4a",
        "m4v",
        "mdb",
        "mid",
        "mkv",
        "mo",
        "mobi",
        "mov",
        "mp3",
        "mp4",
        "mpeg",
        "mpg",
        "msi",
        "npy",
        "npz",
        "nupkg",
        "o",
        "obj",
        "odp",
        "ods",
        "odt",
        "ogg",
        "ogv",
        "onnx",
        "opus",
        "orc",
        "otf",
        "pb",
        "pdf",
        "pickle",
        "pkl",
        "png",
        "ppt",
        "pptx",
        "psd",
        "pt",
        "pth",
        "pyc",
        "pyd",
        "pyo",
        "rar",
        "rpm",
        "safetensors",
        "so",
        "sqlite",
        "sqlite3",
        "stl",
        "svgz",
        "swf",
        "tar",
        "tflite",
        "tgz",
        "tif",
        "tiff",
        "ttc",
        "ttf",
        "war",
        "wasm",
        "wav",
        "webm",
        "webp",
        "wheel",
        "whl",
        "wma",
        "wmv",
        "woff",
        "woff2",
        "xcf",
        "xls",
        "xlsm",
        "xlsx",
        "xz",
        "z",
        "zip",
        "zst",
    ]
)
"""Suffixes whose files are not opened at all."""


def format_of(name: str) -> Format | None:
    """Return the format of a file by its name; None for one that is binary by its suffix."""
    whole = name.rpartition("/")[2].lower()
    stem, _, ending = whole.rpartition(".")
    suffix = ending if stem else ""  # a name that only begins with a dot has none
    if suffix in BINARY:
        return None
    return WHOLE_NAMES.get(whole) or FORMATS.get(suffix, UNKNOWN)
