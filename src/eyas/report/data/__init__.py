"""A dataset as one HTML page: what is in it, what it looks like, what is wrong with it."""

from eyas.report.data.page import write_data_page

__all__ = ["write_data_page"]
