"""Mirrors the builds of Distributed CI into a local folder."""

__version__ = "4.0.0"
