"""From a path and method to their endpoint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache

from eyas.serve.http.endpoint import Endpoint
from eyas.serve.http.problems import Problem
from eyas.serve.http.request import Request


class Router:
    """Paths without parameters are looked up; the few others are compared part by part."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._fixed: dict[str, dict[str, Endpoint]] = {}
        self._open: list[tuple[list[str], dict[str, Endpoint]]] = []
        self._lookup = lru_cache(256)(self._matching)
        for endpoint in endpoints:
            self._methods_for(endpoint.path)[endpoint.method] = endpoint

    def find(self, request: Request) -> Endpoint:
        """The endpoint; the parts of the path that it names go into `request.params`.

        Raises:
            Problem: 404, no such path; 405, another method.
        """
        methods = self._fixed.get(request.path)
        if methods is None:
            matching = self._lookup(request.path)
            if matching is None:
                raise self._unknown(request.path)
            methods, request.params = matching
        method = "GET" if request.method == "HEAD" else request.method
        if (endpoint := methods.get(method)) is None:
            allowed = ", ".join(sorted([*methods, *(["HEAD"] if "GET" in methods else [])]))
            detail = f"{request.path} takes {allowed}, got {request.method}"
            raise Problem(405, detail, headers={"Allow": allowed})
        return endpoint

    def _methods_for(self, path: str) -> dict[str, Endpoint]:
        if "{" not in path:
            return self._fixed.setdefault(path, {})
        parts = path.split("/")
        for known, methods in self._open:
            if known == parts:
                return methods
        self._open.append((parts, {}))
        return self._open[-1][1]

    def _matching(self, path: str) -> tuple[dict[str, Endpoint], dict[str, str]] | None:
        """The endpoints at a path, by method, and the parts of it that they name."""
        parts = path.split("/")
        for pattern, methods in self._open:
            if len(pattern) == len(parts) and all(
                part if known.startswith("{") else known == part for known, part in zip(pattern, parts, strict=True)
            ):
                pairs = zip(pattern, parts, strict=True)
                return methods, {known[1:-1]: part for known, part in pairs if known.startswith("{")}
        return None

    def _unknown(self, path: str) -> Problem:
        near = difflib.get_close_matches(path, self._fixed, n=1)
        hint = f"did you mean {near[0]}?" if near else "/docs lists what there is"
        return Problem(404, f"there is no endpoint {path}; {hint}")
