"""The documentation site: its commands run, it builds strictly, it fetches nothing from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import typer
from PIL import Image

from eyas.cli import app
from eyas.core.config import known_keys
from eyas.core.errors import EXIT_CODES
from support.pages import ROOT, figures, has_commands, run_blocks, shown_outputs
from support.printed import difference

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
RUN = [page for page in PAGES if has_commands(page)]
PROVED = {"command-line"}
"""Pages that show what a command prints, word for word."""
# What a browser fetches by itself; a link that a reader clicks is not among them.
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site's folder."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.pages
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run_and_draw_its_figures(page, tmp_path):
    printed = run_blocks(page, tmp_path, fresh=page.stem == "serving")
    if page.stem in PROVED:
        wrong = [difference(shown, printed[index]) for index, shown in shown_outputs(page.read_text())]
        assert wrong
        assert set(wrong) == {""}
    for shown, made in figures(page):
        for file in (shown, tmp_path / made):
            with Image.open(file) as picture:
                assert picture.width >= 400, file


def test_every_picture_of_a_run_is_committed_and_small():
    shown = [file for page in PAGES for file, _ in figures(page)]
    assert len(shown) >= 15
    assert [file.name for file in shown if not file.exists()] == []
    assert [file.name for file in DOCS.glob("figures/*.png") if file not in shown] == []
    assert all(file.stat().st_size < 100_000 for file in shown)


def test_the_site_fetches_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    outside = {found for page in pages for found in _fetched(page) if re.match(r"(https?:)?//", found)}
    assert outside == set()
    styles = "".join(file.read_text() for file in site.rglob("*.css"))
    assert re.findall(r"url\([\"']?(?:https?:)?//[^)]*\)|@import[^;]*//", styles) == []


def test_every_command_option_and_key_is_in_the_reference(site):
    commands = (site / "reference" / "commands.html").read_text()
    options = dict(_options(typer.main.get_command(app), "eyas"))
    assert len(options) >= 11
    for line, names in options.items():
        section = commands.partition(f">{line}<")[2].partition("<h2")[0]
        assert section, line
        assert [name for name in names if name not in section] == [], line
    configuration = (site / "reference" / "configuration.html").read_text()
    sections = {key.rpartition(".")[0] for key in known_keys()}
    assert [key for key in known_keys() if key not in sections and f"<code>{key}</code>" not in configuration] == []


def test_every_exit_code_is_in_the_reference_and_in_the_table_for_readers(site):
    reference = (site / "reference" / "exit-codes.html").read_text()
    table = (DOCS / "howto" / "command-line.md").read_text()
    for code, said in EXIT_CODES.items():
        assert f"| {code} | {said.short} | {said.meaning} |" in table
        assert f"<td>{code}</td>" in reference
    assert "<code>ParityError</code>" in reference


def test_no_page_is_left_out_of_the_navigation(site):
    index = (site / "index.html").read_text()
    for page in PAGES:
        address = page.relative_to(DOCS).with_suffix(".html")
        assert f'href="{address}"' in index or address.name == "index.html", page


def _fetched(page):
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            values = dict(attrs)
            if values.get("rel") != "canonical":
                found.append(values.get(FETCHED.get(tag, ""), ""))

    Reader().feed(page.read_text())
    return found


def _options(group, path):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _options(command, f"{path} {name}")
        else:
            yield f"{path} {name}", [option for p in command.params for option in p.opts if option.startswith("-")]
