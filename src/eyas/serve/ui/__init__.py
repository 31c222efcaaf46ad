"""The page that the service shows a browser: plain files, read once, and what the page must know of the service."""

from eyas.serve.ui.site import endpoints

__all__ = ["endpoints"]
