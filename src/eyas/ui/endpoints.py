"""What the page asks: the list, one run, one study, a picture. Every answer says whether the browser has it already.

Files are read in one thread beside the event loop, so that a slow disk holds up nobody's connection.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from eyas import __version__
from eyas.core.marks import RUN, SEARCH
from eyas.serve.http import Answer, Endpoint, Handler, Problem, Request
from eyas.serve.page.files import is_known
from eyas.ui.folders import Folder, Parsed, open_folder
from eyas.ui.runs import PICTURES, about, epochs, pictures, summary, unreadable
from eyas.ui.studies import Studies, unreadable_study

DEPTH = 4
"""Folders below the folder of runs that are looked into."""
Query = dict[str, str]
Lines = dict[str, msgspec.Raw]
"""Path → entry of the list, in JSON."""


class Board:
    """All that is below one folder; used from one thread."""

    def __init__(self, root: Path) -> None:
        self._root, self._parsed = root, Parsed()
        self._studies = Studies(root, self._parsed)

    def everything(self, query: Query) -> dict[str, Any]:
        """The list of runs and of studies."""
        runs: Lines = {}
        studies: Lines = {}
        with open_folder(self._root) as root:
            if root:
                self._collect(root, "", runs, studies, DEPTH)
        self._parsed.keep({*runs, *studies})
        self._studies.keep(studies.keys())
        return {"runs": [*runs.values()], "studies": [*studies.values()]}

    def run(self, query: Query) -> dict[str, Any]:
        """One run; its epochs behind `after`, where `token` is that of the answer they were counted in."""
        with open_folder(self._root, query.get("run", "")) as found:
            run = _required(found, RUN)
            columns, rows = epochs(run, self._parsed)
            token = run.made(RUN)
            after = _number(query, "after") if query.get("token") == token else 0
            after = after if after <= len(rows) else 0
            line = summary(run, self._parsed)
            return {
                **line,
                "place": f"{self._root}/{run.path}",
                "token": token,
                "columns": columns,
                "from": after,
                "rows": rows[after:],
            }

    def about(self, query: Query) -> dict[str, Any]:
        """What changes seldom of a run."""
        with open_folder(self._root, query.get("run", "")) as found:
            run = _required(found, RUN)
            return {**about(run, self._parsed), "place": f"{self._root}/{run.path}"}

    def study(self, query: Query) -> dict[str, Any]:
        """One study; the trials that have changed since `after`."""
        with open_folder(self._root, query.get("study", "")) as found:
            study = _required(found, SEARCH)
            told = self._studies.detail(study, _number(query, "after"), query.get("token", ""))
            return {**told, "place": f"{self._root}/{study.path}"}

    def picture(self, query: Query) -> tuple[bytes, str]:
        """A picture of a run or a study, and its type."""
        file = query.get("file", "")
        with open_folder(self._root, query.get("of", "")) as found:
            if found is None or not (found.stat(RUN) or found.stat(SEARCH)):
                raise Problem(404, "there is no such run or study")
            if file not in dict(pictures(found)):
                raise Problem(404, "there is no such picture")
        folder, _, name = f"{query['of']}/{file}".rpartition("/")
        with open_folder(self._root, folder) as inner:
            content = inner.read(name) if inner else None
        if content is None:
            raise Problem(404, "there is no such picture")
        return content[0], PICTURES[Path(name).suffix.lower()]

    def _collect(self, folder: Folder, study: str, runs: Lines, studies: Lines, depth: int) -> None:
        if folder.path and folder.stat(RUN):
            runs[folder.path] = _line(lambda: {**summary(folder, self._parsed), "study": study}, unreadable(folder))
            return
        if folder.path and folder.stat(SEARCH):
            studies[folder.path] = _line(lambda: self._studies.summary(folder), unreadable_study(folder))
            study = folder.path
        for name in folder.folders() if depth else ():
            with folder.folder(name) as inner:
                if inner:
                    self._collect(inner, study, runs, studies, depth - 1)


def _line(tell: Callable[[], dict[str, Any]], otherwise: dict[str, Any]) -> msgspec.Raw:
    """An entry of the list; one whose files nobody understands says so, and the others are told."""
    try:
        return msgspec.Raw(msgspec.json.encode(tell()))
    except Exception as error:  # noqa: BLE001 - whatever its files hold
        return msgspec.Raw(msgspec.json.encode(otherwise | {"cause": ascii(error)}))


def live_endpoints(root: Path) -> tuple[Endpoint, ...]:
    """Of the folder of runs."""
    board, reader = Board(root), ThreadPoolExecutor(1, "reader")

    def telling(tell: Callable[[Query], Any]) -> Handler:
        def work(query: Query) -> tuple[bytes, str]:
            told = tell(query)
            if isinstance(told, tuple):
                return told
            return msgspec.json.encode({"version": __version__, "folder": str(root), **told}), "application/json"

        async def handle(request: Request) -> Answer:
            body, kind = await asyncio.get_running_loop().run_in_executor(reader, work, request.query)
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            headers = {"ETag": tag, "Cache-Control": "no-cache"}  # kept, and asked about
            return Answer(body, 304 if is_known(request, tag) else 200, kind, headers)

        return handle

    asked = {
        "/live/list": board.everything,
        "/live/run": board.run,
        "/live/about": board.about,
        "/live/study": board.study,
        "/live/picture": board.picture,
    }
    return tuple(Endpoint("GET", path, "", telling(tell)) for path, tell in asked.items())


def _required(folder: Folder | None, file: str) -> Folder:
    """The folder, where it is what it is asked as.

    Raises:
        Problem: 404.
    """
    if folder is None or not folder.path or folder.stat(file) is None:
        raise Problem(404, f"there is no {'study' if file == SEARCH else 'run'} of this name")
    return folder


def _number(query: Query, name: str) -> int:
    text = query.get(name, "0")
    if not text.isdecimal() or len(text) > 9:
        raise Problem(400, f"{name} must be a whole number from 0, got {text[:40]!r}")
    return int(text)
