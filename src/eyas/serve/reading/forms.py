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
    parts: list[_Part] = []
    header: list[str] = ["", ""]

    def begin() -> None:
        if len(parts) == most:
            raise InputError(f"the form must hold at most {most} images, got more")
        parts.append(_Part())

    def add_to(index: int, data: bytes, start: int, end: int) -> None:
        header[index] += data[start:end].decode("latin-1")  # what parse_options_header takes

    def end_header() -> None:
        if header[0].lower() == "content-disposition":
            parts[-1].disposition = header[1]
        header[:] = "", ""

    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": begin,
            "on_part_data": lambda data, start, end: parts[-1].content.extend(data[start:end]),
            "on_header_field": lambda data, start, end: add_to(0, data, start, end),
            "on_header_value": lambda data, start, end: add_to(1, data, start, end),
            "on_header_end": end_header,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Problem(400, f"the form is malformed: {error}") from None
    if not parts:
        raise InputError("the form must hold at least one image file, got none")
    return [_file(part) for part in parts]


def _file(part: _Part) -> tuple[str, bytes]:
    said = {key: value.decode("utf-8", "replace") for key, value in parse_options_header(part.disposition)[1].items()}
    name = said.get(b"name", "without a name")
    if b"filename" not in said:
        raise InputError(f"the part {name} must be an image file, got text (curl: -F '{name}=@image.png')")
    return f"the part {name} ({said[b'filename'] or 'no file name'})", bytes(part.content)
