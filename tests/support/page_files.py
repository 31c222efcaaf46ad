"""The rules that the files of every page keep: what they name is there, in all languages; nothing is from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

from eyas.serve.page import page_files

KEY = re.compile(r'\bt(n?)\("([^"]+)"')
SVG = "http://www.w3.org/2000/svg"  # a name, which nobody fetches
FIRST_LOAD = 150_000  # bytes, of all files together


class PageText:
    """A page's files as text."""

    def __init__(self, folder: Path) -> None:
        self.files = page_files(folder)
        self._read = {path: file.read_text() for path, file in self.files.items()}
        self.scripts = {path: text for path, text in self._read.items() if path.endswith(".js")}

    def texts(self, code: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._read[f"/ui/texts/{code}.json"])
        return found

    def check(self) -> None:
        """All of the rules."""
        self._all_is_small()
        self._nothing_is_inline_or_from_elsewhere()
        self._no_script_makes_html_or_code()
        self._both_languages_have_the_same_texts()
        self._texts_and_what_asks_for_them_agree()
        self._what_is_imported_is_there()

    def _all_is_small(self) -> None:
        assert sum(len(text.encode()) for text in self._read.values()) < FIRST_LOAD
        assert all(len(t.splitlines()) < 300 for p, t in self._read.items() if p.endswith((".js", ".css", ".html")))

    def _nothing_is_inline_or_from_elsewhere(self) -> None:
        assert re.findall(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", self._read["/"]) == []
        for path, text in self._read.items():
            if not path.endswith(".svg"):
                named = re.sub(r"^\s*//.*$", "", text, flags=re.M).replace(SVG, "")
                assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", named) == [], path

    def _no_script_makes_html_or_code(self) -> None:
        evil = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function"
        assert [path for path, text in self.scripts.items() if re.search(evil, text)] == []

    def _both_languages_have_the_same_texts(self) -> None:
        english, french = self.texts("en"), self.texts("fr")
        assert [*english] == [*french]
        for key, text in english.items():
            blanks = [sorted(re.findall(r"\{\w+\}", one)) for one in (text, french[key])]
            assert blanks[0] == blanks[1], key
            assert text.strip(), key
            assert french[key].strip(), key

    def _texts_and_what_asks_for_them_agree(self) -> None:
        known, asked = {*self.texts("en")}, self._asked_for()
        assert asked - known == set()
        assert [key for key in known - asked if not self._is_made(key)] == []

    def _asked_for(self) -> set[str]:
        """Keys of texts that the document and the scripts name outright."""
        named = set(re.findall(r'data-(?:text|label)="([^"]+)"', self._read["/"]))
        return named | {
            key + ".other" * bool(many) for text in self.scripts.values() for many, key in KEY.findall(text)
        }

    def _is_made(self, key: str) -> bool:
        """Whether a script has the key as a string of its own, or puts it together."""
        base = re.sub(r"\.(one|other)$", "", key)
        for text in self.scripts.values():
            if any(f'"{one}"' in text for one in (key, base)):
                return True
            for made in re.findall(r"`([^`]*\$\{[^`]*)`", text):
                parts = re.split(r"\$\{[^}]*\}", made)
                if parts[0] and any(re.fullmatch("[\\w ]+".join(map(re.escape, parts)), one) for one in (key, base)):
                    return True
        return False

    def _what_is_imported_is_there(self) -> None:
        for path, text in self.scripts.items():
            for target in re.findall(r'from "(\.[^"]+)"', text):
                place = (Path(path).parent / target).as_posix()
                while (shorter := re.sub(r"[^/]+/\.\./|/\.(?=/)", "", place)) != place:
                    place = shorter
                assert place in self.files, f"{path}: {target}"
