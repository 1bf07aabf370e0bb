"""The outline: each form's headings and blocks are found at their lines."""

import pytest

from vicinal.chunk.outline import BLOCK, PARAGRAPH, outline


def marked(text, form):
    """Return the first line of each piece with its rank."""
    found = outline(text, form)
    return [
        (text[place:].lstrip().split("\n")[0].rstrip(), rank)
        for place, rank in zip(found.places, found.ranks, strict=True)
    ]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("text", "a\n\nb\n \t\n  c\r\n\r\nd\n\n", [("b", BLOCK), ("c", BLOCK), ("d", BLOCK)]),
        ("markdown", "# A\n\ntext\n\n## B\nmore\n\nlast", [("# A", 1), ("## B", 2), ("last", BLOCK)]),
        ("markdown", "Title\n=====\nx\n\nPart\n---\ny", [("Title", 1), ("Part", 2)]),
        ("markdown", "---\ntitle: x\n---\ny\n\nz", [("z", BLOCK)]),
        ("markdown", "a\n```py\n# no heading\n\nb\n```\nc", [("```py", BLOCK), ("b", PARAGRAPH), ("c", BLOCK)]),
        ("markdown", "```\nnever closed\n\n# inside", [("```", BLOCK), ("# inside", PARAGRAPH)]),
        ("markdown", "a ```b``` c\n```d```\n\n# E", [("# E", 1)]),
        ("markdown", "- item\n\n  goes on\n\nend", [("goes on", PARAGRAPH), ("end", BLOCK)]),
        ("markdown", "#nospace\n| a |\n| --- |\n***\n---", []),
        (
            "rst",
            "====\nBook\n====\n\nPart\n----\n\ntext\n\nPart 2\n------\nx",
            [("====", 1), ("Part", 2), ("Part 2", 2)],
        ),
        (
            "rst",
            "a::\n\n    code\n\nb\n\n----\n\nc",
            [("code", PARAGRAPH), ("b", BLOCK), ("----", BLOCK), ("c", BLOCK)],
        ),
        ("rst", "much longer\n---\nx", []),
        ("code", "f {\n\n  a\n}\n\ng", [("a", PARAGRAPH), ("g", BLOCK)]),
        ("unheard of", "a\n\nb", [("b", BLOCK)]),
    ],
)
def test_headings_and_blocks_are_found(form, text, expected):
    """Every place is the line of a heading or of what follows a blank line, with its rank."""
    assert marked(text, form) == expected


def test_python_definitions_take_their_decorators_and_comments():
    """Imports, functions, classes, methods and what follows them are pieces; a "def" in a string is none."""
    text = 'import x\n\n# why\n@d(\n  1)\ndef f():\n    """\ndef no\n"""\n\n    return\n\nclass C:\n    a = 1\n\n    # m\n    def m(self): ...\n\n    b = 2\n\nX = 1\n'
    expected = [("import x", 1), ("# why", 1), ("return", PARAGRAPH), ("class C:", 1)]
    assert marked(text, "python") == [*expected, ("# m", 2), ("b = 2", 2), ("X = 1", 1)]


@pytest.mark.parametrize("broken", ["print 'x'\n", "\0\n", "(" * 5000 + "\n", "x = '\\d'\nif:\n"])
def test_python_that_does_not_parse_is_cut_by_its_lines(broken):
    """Source of another version, or damaged, is still cut at its definitions, without a warning."""
    text = broken + "def f():\n    pass\nclass C:\n    @p\n    def m(self): ...\n"
    assert marked(text, "python")[1:] == [("def f():", 1), ("class C:", 1), ("@p", 2)]


def test_very_long_python_is_not_parsed():
    """Source over the limit is scanned by lines."""
    text = "def f(): ...\n" + "x = 1\n" * 400_000 + "def g(): ...\n"
    assert marked(text, "python") == [("def f(): ...", 1), ("def g(): ...", 1)]
