"""Reading one file: its encoding, what is binary, what is too large, and web pages."""

import io

import pytest

from vicinal.errors import NotFoundError, RangeError
from vicinal.read import read
from vicinal.read.html import visible_text
from vicinal.types import Document, Skipped

FRENCH = "L'été dernier, nous avons mangé des pâtes à la crème près de la forêt ; c'était très agréable.\n" * 5
RUSSIAN = "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства.\n" * 5
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 5


def one(tmp_path, name, content, **options):
    """Return what a single file gives."""
    path = tmp_path / name
    path.write_bytes(content)
    (found,) = read(path, base=tmp_path, **options)
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.txt", "unknown", "a.xyz"])
def test_marked_and_utf_8_text_is_exact(tmp_path, encoding, name):
    """The mark is not part of the text; line ends stay as they are."""
    text = "é\r\nb\rc\n漢😀"
    assert one(tmp_path, name, text.encode(encoding)).text == text


@pytest.mark.parametrize(
    ("text", "encoding"), [(FRENCH, "cp1252"), (RUSSIAN, "koi8-r"), (RUSSIAN, "cp1251"), (JAPANESE, "shift_jis")]
)
def test_other_encodings_are_found_out(tmp_path, text, encoding):
    """Some hundred characters are enough to tell what the bytes are."""
    assert one(tmp_path, "a.txt", text.encode(encoding)).text == text


def test_a_declared_encoding_is_believed_where_it_decodes(tmp_path):
    """Python's cookie and a page's meta element name it; one that is none, or no text's, does not hurt."""
    assert one(tmp_path, "a.py", "# -*- coding: iso-8859-15 -*-\nx = '€'\n".encode("iso-8859-15")).text.endswith(
        "'€'\n"
    )
    page = '<meta charset="gb18030"><p>汉字测试</p>'.encode("gb18030")
    assert one(tmp_path, "a.html", page).text == "汉字测试"
    for name in ("nonsense", "rot13", "idna", "undefined"):
        assert one(tmp_path, "b.py", f"# coding: {name}\n".encode() + FRENCH.encode("cp1252")).text.endswith(FRENCH)


def test_zero_bytes_and_known_suffixes_are_binary(tmp_path):
    """They are counted, and nobody need act."""
    for name, content in {
        "a.txt": b"a\0b",
        "b.png": b"text",
        "c.unknown": b"\x7fELF\0",
    }.items():
        found = one(tmp_path, name, content)
        assert (found.reason, found.failed) == ("binary", False), name


def test_text_in_no_encoding_is_a_failure(tmp_path):
    """A text file that cannot be decoded is a hole in the corpus."""
    found = one(tmp_path, "a.txt", b"\xff\xfe\x00")
    assert (found.reason, found.failed) == ("undecodable", True)


@pytest.mark.parametrize("content", [b"", b" \r\n\t", b"\xef\xbb\xbf"])
def test_empty_files_are_skipped(tmp_path, content):
    """There is nothing to find in them."""
    found = one(tmp_path, "a.md", content)
    assert (found.reason, found.failed) == ("empty", False)


def test_a_file_over_the_limit_is_a_failure_and_one_at_it_is_read(tmp_path):
    """The limit is inclusive."""
    assert one(tmp_path, "a.txt", b"12345", max_bytes=5).text == "12345"
    found = one(tmp_path, "a.txt", b"123456", max_bytes=5)
    assert (found.reason, found.failed) == ("too large", True)


def test_a_limit_below_one_is_refused(tmp_path):
    """Nothing could be read."""
    with pytest.raises(RangeError):
        read(tmp_path, max_bytes=0)


@pytest.mark.parametrize("name", ["nothing", "nothing/below", "a\0b", "x" * 5000])
def test_a_source_that_is_not_there_is_said_at_once(tmp_path, name):
    """The error comes from the call, not from the first document."""
    with pytest.raises(NotFoundError, match="nothing to read"):
        read(f"{tmp_path}/{name}")


def test_a_path_below_a_file_is_not_there(tmp_path):
    """A file has no files in it."""
    (tmp_path / "a").write_text("x")
    with pytest.raises(NotFoundError):
        read(tmp_path / "a" / "b")


def test_standard_input_is_one_document():
    """Its id is the name by which it was asked for."""
    found = list(read("-", stdin=io.BytesIO("naïve".encode())))
    assert found == [Document(id="-", text="naïve", source="-", fields={"path": "-", "format": "text"})]
    assert [item.reason for item in read("-", stdin=io.BytesIO(b"12345"), max_bytes=4)] == ["too large"]
    assert isinstance(next(read("-", stdin=io.BytesIO(b""))), Skipped)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<h1>A &amp; B</h1><p>one\n  two <b>three</b>.</p><p>four", "# A & B\n\none two three.\n\nfour"),
        ("<title>T</title><script>x<y</script><style>p{}</style>text", "# T\n\ntext"),
        ("<title>T</title><h1>H</h1>", "# H"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<pre>a\n  b &lt;</pre>", "```\na\n  b <\n```"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "| a | b\n| c"),
        ("<div hidden>x<div>y</div>z</div>seen", "seen"),
        ("<svg><title>no</title></svg>&#233;&nbsp;&unheardof;", "é\xa0&unheardof;"),
        ("a<!-- no -->b<![if x]>c<![CDATA[d]]>e<![foo[x]]>f", "abcef"),
        ("<p>open <b>and <i>wrong</b> order</i>", "open and wrong order"),
        ("a<!-->b<!-- never closed", "ab"),
        ("<p>a &lt; b and 1 <2 &amp", "a < b and 1 <2 &"),
        ("<script>x<!--</script>seen", "seen"),
        ("", ""),
    ],
)
def test_the_visible_text_of_a_page_keeps_its_structure(page, expected):
    """Headings, lists, code and cells are written as Markdown; what a reader does not see is gone."""
    assert visible_text(page) == expected


def test_a_page_is_markdown_for_the_chunker(tmp_path):
    """Its headings are lines with #; a page without text is empty."""
    found = one(tmp_path, "a.html", b"<h2>A</h2>b")
    assert (found.form, found.text, found.fields["format"]) == ("markdown", "## A\n\nb", "html")
    assert one(tmp_path, "a.html", b"<script>1</script>").reason == "empty"
