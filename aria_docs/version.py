"""The version of this package. A leaf, so that any room may name it."""

__version__ = "0.2.0"
