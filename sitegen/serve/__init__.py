"""Shows a built site on the author's computer, as a good host would serve it."""

from .server import Server

__all__ = ["Server"]
