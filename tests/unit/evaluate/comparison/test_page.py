"""The page: one file that asks for nothing, holds any text as text, and shows something."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vicinal.errors import ModelNotFoundError
from vicinal.evaluate.comparison import Setting, compare, matrix
from vicinal.evaluate.comparison.page import drawings_of, page_of
from vicinal.evaluate.judgements import Judged

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SETTINGS = matrix(mode=["lexical", "dense", "hybrid"], precision=["float32", "binary"])
QUALITIES = dict(zip([one.name for one in SETTINGS], (0.4, 0.6, 0.55, 0.8, 0.7), strict=True))
COSTS = dict(zip(QUALITIES, ((0, 2.0), (1536, 8.0), (48, 7.0), (1536, 11.0), (48, 10.0)), strict=True))
ASKS = re.compile(
    r"""\b(?:src|href|srcset|action|data|poster|background)\s*=|@import|url\(|<script|<link|<iframe|<object|<embed""",
    re.IGNORECASE,
)


class Tags(HTMLParser):
    """What a browser makes of a page: its tags, its attributes, its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Keep a tag with its attributes."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        """Keep a text."""
        self.texts.append(data)


@pytest.fixture
def found(judged, make_of):
    """Compare five settings of which one fails."""
    asked = judged(60)
    gone = ModelNotFoundError("No source has the model x.")
    return compare(make_of(asked, {**QUALITIES, "hybrid 1bit": gone}, costs=COSTS), SETTINGS, asked)


@pytest.fixture
def drawings(found):
    """Draw its plots once."""
    return drawings_of(found)


def page(comparison):
    """Return the page with its plots."""
    return page_of(comparison, drawings_of(comparison))


def test_the_page_says_everything(found):
    """The verdict with its reasons, each setting, each test, what failed, and what it was made with."""
    text = " ".join(Tags(page(found)).texts)
    for one in (found.verdict.headline, *found.verdict.reasons):
        assert one.text in text
    for one in found.settings:
        assert one.name in text
    for told in (found.judged_digest, "No source has the model x.", "seed", "processor", "▲ better", "95 %"):
        assert told in text
    assert found.plan.text in text


def test_the_page_asks_for_nothing(found):
    """No script, no link, no address; and a policy that forbids all but its own style, by its digest."""
    html = page(found)
    assert not ASKS.search(html)
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert html.count("<style") == 1
    assert "style=" not in html
    assert html.index("Content-Security-Policy") < html.index("<style")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_text_stays_text(found, drawings, name, message, query):
    """Names, messages and queries make no tag and no attribute, whatever they hold."""
    plain = Tags(page_of(found, drawings))
    failure = replace(found.failures[0], message=message)
    flips = tuple(replace(one, text=query, query_id=query) for one in found.kinds[0].flips)
    other = replace(
        found, judged_name=name, failures=(failure,), kinds=(replace(found.kinds[0], flips=flips), *found.kinds[1:])
    )
    shown = Tags(page_of(other, drawings))
    assert shown.tags == plain.tags
    assert [one for one, _ in shown.attributes] == [one for one, _ in plain.attributes]


def test_markup_in_names_is_shown_as_it_is_written(judged, make_of):
    """In the table and in the plots."""
    wicked = '<img src=x onerror="alert(1)">&amp;'
    asked = Judged.of(judged(30).queries, judged(30).qrels, name="<script>")
    two = [Setting(name="plain", mode="lexical"), Setting(name=wicked, mode="dense")]
    shown = Tags(page(compare(make_of(asked, {"plain": 0.4, wicked: 0.8}), two, asked)))
    assert wicked in shown.texts
    assert not {"img", "script"} & set(shown.tags)
    assert not any(name.startswith("on") for name, _ in shown.attributes)


def test_a_page_without_a_setting_that_ran(judged, make_of):
    """It says so and has no plots."""
    asked = judged(10)
    gone = ModelNotFoundError("No source has the model x.")
    none = compare(make_of(asked, dict.fromkeys(QUALITIES, gone)), SETTINGS, asked)
    assert "No setting could be measured." in page(none)
    assert "<svg" not in page(none)


def pixels_of(png: bytes) -> tuple[int, int, list[bytes]]:
    """Return the width, the height and the rows of an 8-bit PNG without an alpha channel or with one."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, color = struct.unpack(">IIBB", png[16:26])
    assert depth == 8
    size = {2: 3, 6: 4}[color]
    parts, at = [], 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IDAT":
            parts.append(png[at + 8 : at + 8 + length])
        at += 12 + length
    raw = zlib.decompress(b"".join(parts))
    stride = 1 + width * size
    return width, height, [raw[row * stride : (row + 1) * stride] for row in range(height)]


@pytest.mark.slow
def test_a_browser_shows_the_page(found, tmp_path):
    """Not blank, in the light and in the dark, and with its style: the policy's digest is the right one."""
    browser = next((one for one in map(shutil.which, BROWSERS) if one), None)
    if browser is None:
        pytest.skip("no chromium on this machine")
    found.write(tmp_path / "report")
    shots = {}
    for scheme, flags in {"light": [], "dark": ["--force-dark-mode"]}.items():
        shot = tmp_path / f"{scheme}.png"
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--proxy-server=127.0.0.1:9",
            f"--user-data-dir={tmp_path / scheme}",
            f"--screenshot={shot}",
            "--window-size=1200,2400",
            *flags,
            (tmp_path / "report" / "report.html").as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if not shot.exists():
            pytest.skip(f"the browser makes no pictures here: {done.stderr[-200:]}")
        assert "Content Security Policy" not in done.stderr, "something was refused, so it was asked for"
        shots[scheme] = pixels_of(shot.read_bytes())
    for width, height, rows in shots.values():
        assert (width, height) == (1200, 2400)
        assert len(set(rows)) > 500, "many rows of pixels differ from all others"
    light, dark = (zlib.crc32(b"".join(rows)) for _, _, rows in shots.values())
    assert light != dark
