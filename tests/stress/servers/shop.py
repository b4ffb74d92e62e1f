"""The shop with its users in it, to be served as it is."""

from tests.applications.shop import app, fill

__all__ = ("app",)

fill()
