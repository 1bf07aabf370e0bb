"""Tables: rows as documents, their ids and fields, and rows that are none."""

import csv
import json

import pytest

from vicinal.errors import InputError
from vicinal.read import read
from vicinal.types import Document, Skipped


def rows(tmp_path, name, content, **options):
    """Return what one table gives."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read(path, base=tmp_path, **options))


def test_a_corpus_in_the_form_of_beir_works_as_it_is(tmp_path):
    """The id is _id, the title stands before the text and is a field."""
    (found,) = rows(tmp_path, "corpus.jsonl", '{"_id": "4983", "title": "T", "text": "body", "metadata": {}}\n')
    assert found == Document(
        id="corpus.jsonl#4983",
        text="T\n\nbody",
        source="corpus.jsonl",
        fields={"path": "corpus.jsonl", "title": "T"},
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"id": 1, "text": "x", "n": 2}\n\n{"text": "y"}'),
        ("a.ndjson", '{"id": 1, "text": "x", "n": 2}\r\n{"text": "y"}\r\n'),
        ("a.json", '[{"id": 1, "text": "x", "n": 2}, {"text": "y"}]'),
        ("a.csv", "id,text,n\n1,x,2\n,y,\n"),
        ("a.csv", "\ufeffid;text;n\r\n1;x;2\r\n;y;\r\n"),
        ("a.tsv", "id\ttext\tn\n1\tx\t2\n\ty\t\n"),
    ],
)
def test_every_kind_of_table_gives_the_same_rows(tmp_path, name, content):
    """The id is the row's own, else its number; other columns are typed fields."""
    first, second = rows(tmp_path, name, content)
    assert (first.id, first.text, first.fields) == (f"{name}#1", "x", {"path": name, "n": 2})
    assert (second.id, second.text) == (f"{name}#2", "y")
    assert second.fields.get("n") is None


def test_an_object_of_objects_and_one_object(tmp_path):
    """Keys are ids; a lone object is one document."""
    found = rows(tmp_path, "a.json", '{"k": {"text": "x"}, "l": {"text": "y", "id": "own"}}')
    assert [document.id for document in found] == ["a.json#k", "a.json#own"]
    assert [document.id for document in rows(tmp_path, "b.json", '{"text": "x"}')] == ["b.json#1"]


def test_columns_can_be_chosen(tmp_path):
    """text_field and id_field overrule what the program would look for."""
    (found,) = rows(tmp_path, "a.csv", "id,text,say,no\n1,x,hello,n7\n", text_field="say", id_field="no")
    assert (found.id, found.text, found.fields) == ("a.csv#n7", "hello", {"path": "a.csv", "id": 1, "text": "x"})


def test_a_named_table_without_a_text_column_is_the_callers_error(tmp_path):
    """The message has the columns and the option."""
    with pytest.raises(InputError, match=r"colour, size.*--text-field"):
        rows(tmp_path, "a.csv", "colour,size\nred,1\n")
    with pytest.raises(InputError, match="'say'"):
        rows(tmp_path, "a.csv", "text\nx\n", text_field="say")


def test_in_a_folder_a_table_without_a_text_column_is_reported(tmp_path):
    """A csv is a failure; a json may be settings and is not."""
    (tmp_path / "a.csv").write_text("colour\nred\n")
    (tmp_path / "b.json").write_text('{"name": "x"}')
    found = list(read(tmp_path, base=tmp_path))
    assert [(item.source, item.reason, item.failed) for item in found] == [
        ("a.csv", "no text column", True),
        ("b.json", "no text column", False),
    ]


def test_malformed_rows_are_reported_with_their_line_and_the_rest_goes_on(tmp_path):
    """Broken JSON, another type, a deep nest, a text that is none, a cell too many."""
    deep = "[" * 100_000
    lines = ['{"text": "a"}', "{broken", "[1]", '{"text": ["x"]}', f'{{"text": {deep}', '{"other": 1}', '{"text": "b"}']
    found = rows(tmp_path, "a.jsonl", "\n".join(lines))
    assert [item.id for item in found if isinstance(item, Document)] == ["a.jsonl#1", "a.jsonl#7"]
    skipped = [item for item in found if isinstance(item, Skipped)]
    assert [item.detail.split(":")[0] for item in skipped] == [f"line {line}" for line in range(2, 7)]
    assert all(item.reason == "malformed" and item.failed for item in skipped)
    assert not any("broken" in item.detail for item in skipped)
    found = rows(tmp_path, "a.csv", 'text,n\na,1\nb\nc,"1" x\nd,4\n')
    assert [getattr(item, "text", None) for item in found] == ["a", None, None, "d"]
    assert [item.detail.split(":")[0] for item in found if isinstance(item, Skipped)] == ["line 3", "line 4"]


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "1" * 5000, '"text"', "[1, 2]", "{" * 3 + '"a":' * 3])
def test_a_json_file_that_is_no_table_is_a_failure(tmp_path, content):
    """Whatever it holds, the answer is a report."""
    found = rows(tmp_path, "a.json", content)
    assert found
    assert all(isinstance(item, Skipped) and item.reason == "malformed" and item.failed for item in found)


def test_an_id_that_comes_twice_is_a_failure(tmp_path):
    """The first keeps it."""
    found = rows(tmp_path, "a.jsonl", '{"id": "x", "text": "a"}\n{"id": "x", "text": "b"}\n')
    assert found[0].text == "a"
    assert (found[1].reason, found[1].detail, found[1].failed) == ("duplicate id", "a.jsonl#x", True)


def test_a_missing_id_in_a_chosen_column_is_a_failure(tmp_path):
    """A number in its place could be another row's tomorrow."""
    found = rows(tmp_path, "a.jsonl", '{"no": null, "text": "a"}', id_field="no")
    assert (found[0].reason, found[0].failed) == ("malformed", True)


def test_fields_are_typed_and_flat(tmp_path):
    """Objects are joined with dots, lists of one type stay, anything else is JSON text."""
    row = {"text": "t", "a": {"b": {"c": 1}}, "s": ["x"], "n": [1, 2], "m": [1, 2.5], "o": [{"p": 1}], "e": []}
    row |= {"big": 1 << 70, "yes": True, "none": None, "path": "own"}
    (found,) = rows(tmp_path, "a.jsonl", json.dumps(row)[:-1] + ', "nan": NaN, "huge": 1e999}')
    assert found.fields == {
        "path": "own", "a.b.c": 1, "s": ["x"], "n": [1, 2], "m": [1.0, 2.5], "o": '[{"p": 1}]', "e": [],
        "big": str(1 << 70), "yes": True, "none": None, "nan": None, "huge": None,
    }  # fmt: skip


def test_cells_are_what_they_look_like(tmp_path):
    """Numbers and booleans are typed; leading zeros, long numbers and words stay text."""
    cells = "12,-1.5e3,true,False,,007,1234567890123456789,nan,1_000,1e999"
    names = "text,b,c,d,e,f,g,h,i,j"
    (found,) = rows(tmp_path, "a.csv", f"{names}\n{cells}\n")
    assert found.text == "12"
    values = [-1500.0, True, False, None, "007", "1234567890123456789", "nan", "1_000", "1e999"]
    assert [found.fields[name] for name in "bcdefghij"] == values


def test_quoted_cells_hold_lines_and_tsv_has_no_quotes(tmp_path):
    """A csv follows its rules, tsv has none; a quote that is never closed is a malformed row."""
    assert rows(tmp_path, "a.csv", 'text\n"a\nb ""c"""\n')[0].text == 'a\nb "c"'
    assert rows(tmp_path, "a.tsv", 'text\tn\n"a" b\t1\n')[0].text == '"a" b'
    (found,) = rows(tmp_path, "a.csv", 'text\n"a\nb\n')
    assert (found.reason, found.failed) == ("malformed", True)


def test_rows_over_the_limit_are_failures_and_the_rest_goes_on(tmp_path):
    """The limit of a streamed table holds for a row; the csv module's own setting is left as it was."""
    before = csv.field_size_limit()
    found = rows(tmp_path, "a.jsonl", '{"text": "a"}\n{"text": "' + "x" * 100 + '"}\n{"text": "b"}\n', max_bytes=50)
    assert [getattr(item, "text", None) for item in found] == ["a", None, "b"]
    assert rows(tmp_path, "a.csv", "text\na\n" + "x" * 200_000 + "\n")[1].text == "x" * 200_000
    assert isinstance(rows(tmp_path, "a.csv", "text\n" + "x" * 100, max_bytes=50)[0], Skipped)
    assert csv.field_size_limit() == before


def test_empty_texts_and_tables_are_skipped(tmp_path):
    """A title alone is a text; nothing at all is not."""
    found = rows(tmp_path, "a.jsonl", '{"title": "T", "text": ""}\n{"text": null}\n{"text": " "}')
    assert [getattr(item, "text", getattr(item, "reason", "")) for item in found] == ["T", "empty", "empty"]
    for name, content in {"a.csv": "text,n\n", "b.jsonl": "", "c.json": "[]", "d.tsv": ""}.items():
        assert [item.reason for item in rows(tmp_path, name, content)] == ["empty"], name


def test_halves_of_surrogate_pairs_are_replaced(tmp_path):
    """JSON can write them, no encoding of text can; ids and fields included."""
    (found,) = rows(tmp_path, "a.jsonl", '{"id": "i\\ud800", "text": "a\\ud83d\\ude00 \\udc00", "f": "\\ud801"}')
    assert "😀" in found.text
    assert f"{found.id}{found.text}{found.fields}".encode()


def test_a_table_in_another_encoding_is_read(tmp_path):
    """As spreadsheets write it."""
    text = "text,n\n" + "".join(f"L'été à la forêt près de Besançon était très agréable,{n}\n" for n in range(20))
    assert rows(tmp_path, "a.csv", text.encode("cp1252"))[3].text.startswith("L'été à")


def test_rows_beyond_what_a_record_holds_are_holes(tmp_path):
    """As for documents of a program: an id of 4,096 characters, 1,024 fields."""
    wide = {f"f{number}": number for number in range(1024)}
    content = "\n".join(
        json.dumps(one) for one in ({"id": "x" * 5000, "text": "a"}, {"text": "b", **wide}, {"text": "c"})
    )
    first, second, third = rows(tmp_path, "a.jsonl", content)
    assert [one.reason for one in (first, second)] == ["malformed"] * 2
    assert "1025 fields" in second.detail
    assert third.text == "c"
