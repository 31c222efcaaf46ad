"""The file parts of a `multipart/form-data` body."""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from eyas.core.errors import InputError
from eyas.serve.http.problems import Problem


@dataclass
class _Part:
    disposition: str = ""
    content: bytearray = field(default_factory=bytearray)


class _Form:
    """What the parser has come upon, a piece at a time."""

    def __init__(self, most: int) -> None:
        self.parts: list[_Part] = []
        self._most = most
        self._name = self._value = ""  # of the header at hand

    def begin(self) -> None:
        if len(self.parts) == self._most:
            raise InputError(f"the form must hold at most {self._most} images, got more")
        self.parts.append(_Part())

    def add_content(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].content += data[start:end]

    def add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end].decode("latin-1")  # what parse_options_header takes

    def add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end].decode("latin-1")

    def end_header(self) -> None:
        if self._name.lower() == "content-disposition":
            self.parts[-1].disposition = self._value
        self._name = self._value = ""


def read_form(body: bytes, content_type: str, most: int) -> list[tuple[str, bytes]]:
    """What to call each file part in an error, and its content, in the order sent.

    Args:
        content_type: with the boundary.
        most: parts, at most.

    Raises:
        Problem: 400, the form is malformed.
        InputError: a part is no file, there are too many, or none.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Problem(400, "the form's Content-Type must name its boundary")
    form = _Form(most)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.begin,
                "on_part_data": form.add_content,
                "on_header_field": form.add_name,
                "on_header_value": form.add_value,
                "on_header_end": form.end_header,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Problem(400, f"the form is malformed: {error}") from None
    if not form.parts:
        raise InputError("the form must hold at least one image file, got none")
    return [_file(part) for part in form.parts]


def _file(part: _Part) -> tuple[str, bytes]:
    said = {key: value.decode("utf-8", "replace") for key, value in parse_options_header(part.disposition)[1].items()}
    name = said.get(b"name", "without a name")
    if b"filename" not in said:
        raise InputError(f"the part {name} must be an image file, got text (curl: -F '{name}=@image.png')")
    return f"the part {name} ({said[b'filename'] or 'no file name'})", bytes(part.content)
