"""The page's files as the service gives them: types, caching, policy, size, both languages, nothing from elsewhere."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

import eyas.serve.ui.site as site
from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app
from support.asgi import Client, asgi_client

FILES = sorted(path for path in site.FOLDER.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
KEY = re.compile(r'\bt(n?)\("([^"]+)"')
SVG = "http://www.w3.org/2000/svg"  # a name, which nobody fetches
FIRST_LOAD = 150_000  # bytes, of all files together


def path_of(file: Path) -> str:
    return "/" if file.name == site.INDEX else f"/ui/{file.relative_to(site.FOLDER).as_posix()}"


def texts(code: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((site.FOLDER / "texts" / f"{code}.json").read_text())
    return found


def asked_for() -> set[str]:
    """Keys of texts that the document and the scripts name outright."""
    named = set(re.findall(r'data-(?:text|label)="([^"]+)"', (site.FOLDER / site.INDEX).read_text()))
    return named | {key + ".other" * bool(plural) for one in SCRIPTS for plural, key in KEY.findall(one.read_text())}


def is_made(key: str) -> bool:
    """Whether a script has the key as a string of its own, or puts it together."""
    base = re.sub(r"\.(one|other)$", "", key)
    for script in SCRIPTS:
        text = script.read_text()
        if any(f'"{one}"' in text for one in (key, base)):
            return True
        for made in re.findall(r"`([^`]*\$\{[^`]*)`", text):
            parts = re.split(r"\$\{[^}]*\}", made)
            if parts[0] and any(re.fullmatch("[\\w ]+".join(map(re.escape, parts)), one) for one in (key, base)):
                return True
    return False


@pytest.mark.parametrize("file", FILES, ids=path_of)
def test_each_file_is_served_with_its_type(client: Client, file: Path) -> None:
    answer = client.get(path_of(file))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == site.KINDS[file.suffix]
    assert answer.content == file.read_bytes()  # httpx has unpacked it
    assert answer.headers["Cache-Control"] == "no-cache"


def test_it_is_packed_for_who_takes_that(client: Client) -> None:
    packed = client.get("/ui/app.js", headers={"Accept-Encoding": "gzip;q=1.0, br"})
    plain = client.get("/ui/app.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert int(packed.headers["Content-Length"]) == len(gzip.compress(plain.content, mtime=0)) < len(plain.content)
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"


def test_what_a_browser_has_is_not_sent_again(client: Client) -> None:
    first = client.get("/ui/style.css")
    again = client.get("/ui/style.css", headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert client.get("/ui/style.css", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_policy_lets_in_nothing_from_elsewhere_and_nothing_inline(client: Client) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    page = (site.FOLDER / site.INDEX).read_text()
    assert re.findall(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page) == []


@pytest.mark.parametrize("file", [file for file in FILES if file.suffix != ".svg"], ids=path_of)
def test_no_file_names_another_server(file: Path) -> None:
    text = re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.M).replace(SVG, "")
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=path_of)
def test_no_script_makes_html_or_code_of_a_text(script: Path) -> None:
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", script.read_text())
        == []
    )


def test_all_of_it_is_small() -> None:
    assert sum(file.stat().st_size for file in FILES) < FIRST_LOAD
    assert all(len(file.read_text().splitlines()) < 300 for file in FILES if file.suffix in (".js", ".css", ".html"))


def test_both_languages_have_all_texts_with_the_same_blanks() -> None:
    english, french = texts("en"), texts("fr")
    assert [*english] == [*french]
    for key, text in english.items():
        blanks = [sorted(re.findall(r"\{\w+\}", one)) for one in (text, french[key])]
        assert blanks[0] == blanks[1], key
        assert text.strip(), key
        assert french[key].strip(), key


def test_each_text_that_is_asked_for_is_there_and_each_that_is_there_is_asked_for() -> None:
    known = {*texts("en")}
    assert asked_for() - known == set()
    assert [key for key in known - asked_for() if not is_made(key)] == []


def test_every_script_that_is_imported_is_there() -> None:
    for script in SCRIPTS:
        for target in re.findall(r'from "(\.[^"]+)"', script.read_text()):
            assert (script.parent / target).resolve() in FILES, f"{script.name}: {target}"


def test_the_page_is_told_what_there_is(client: Client) -> None:
    facts = client.get("/ui/service.json", headers={"Host": "localhost:5000"}).json()
    assert facts["endpoints"]["POST /predict"] == "predict"
    assert facts["endpoints"]["GET /model-card"] is None
    assert "GET /monitor" not in facts["endpoints"]
    assert (facts["auth"], facts["near"], facts["admin_port"], facts["keeps_images"]) == (False, True, None, False)
    assert client.get("/ui/service.json", headers={"Host": "elsewhere.example"}).json()["near"] is False


def test_no_path_of_a_request_leads_to_a_file(client: Client) -> None:
    for path in ("/ui", "/ui/", "/ui/index.html", "/ui/../site.py", "/ui/%2e%2e/site.py", "/ui/texts"):
        assert client.get(path).status_code == 404


def test_it_can_be_left_out(grey: Bundle) -> None:
    with asgi_client(create_app(grey, ServeConfig(ui=False))) as other:
        assert other.get("/").status_code == 404
        assert other.get("/ui/app.js").status_code == 404
