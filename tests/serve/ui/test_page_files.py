"""The page's files as the service gives them: types, caching, policy, size, both languages, nothing from elsewhere."""

from __future__ import annotations

import gzip

import pytest

import eyas.serve.ui.site as site
from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app
from eyas.serve.page import page_files
from eyas.serve.page.files import KINDS
from support.asgi import Client, asgi_client
from support.page_files import PageText

FILES = page_files(site.FOLDER)


def test_its_files_keep_the_rules_of_pages() -> None:
    PageText(site.FOLDER).check()


@pytest.mark.parametrize("path", FILES)
def test_each_file_is_served_with_its_type(client: Client, path: str) -> None:
    answer, file = client.get(path), FILES[path]
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == KINDS[file.suffix]
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
