"""vecroute asks the routing daemon how to turn a raster logo into SVG; importing it loads msgspec and no more."""

from vecroute._version import __version__

__all__ = ["__version__"]
