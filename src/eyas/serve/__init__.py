"""The prediction service: one bundle behind HTTP. It never loads the learning half."""

from eyas.serve.app import create_app
from eyas.serve.server import serve

__all__ = ["create_app", "serve"]
