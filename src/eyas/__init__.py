"""eyas: the whole life of an image classifier, from a folder of images to a monitored service."""

__version__ = "0.1.0.dev0"
__all__ = ["__version__"]
