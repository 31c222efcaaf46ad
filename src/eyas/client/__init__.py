"""A running service as Python objects: `eyas.Client(url).predict("cat.jpg")`, and the same to be awaited."""

from eyas.client.answer import Answer, ImageAnswer
from eyas.client.clients import AsyncClient, Client
from eyas.client.files import predict_files
from eyas.client.images import Images
from eyas.core.errors import ServiceError

__all__ = ["Answer", "AsyncClient", "Client", "ImageAnswer", "Images", "ServiceError", "predict_files"]
