"""What pages for browsers are made of: files at paths of their own, what browsers may do with them, shared parts."""

from eyas.serve.page.files import page_endpoints, page_files

__all__ = ["page_endpoints", "page_files"]
