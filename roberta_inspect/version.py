"""The version of this package, by itself so that every module can ask for it."""

__version__ = "0.2.0"
