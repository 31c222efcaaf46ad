"""Every kind of data set that eyas reads, behind one interface: `Source`."""

from eyas.data.sources.contents import Contents, Encoded, Listing, PartName, Pixels, Source
from eyas.data.sources.detect import fetch, open_source

__all__ = ["Contents", "Encoded", "Listing", "PartName", "Pixels", "Source", "fetch", "open_source"]
