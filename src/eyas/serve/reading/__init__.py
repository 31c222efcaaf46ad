"""From the bytes of a request's body to images."""

from eyas.serve.reading.bodies import ACCEPTED, BodyReader, Images, Reading
from eyas.serve.reading.pixels import JsonReader

__all__ = ["ACCEPTED", "BodyReader", "Images", "JsonReader", "Reading"]
