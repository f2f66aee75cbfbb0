"""Room 1, content: the Markdown an author wrote, as pages.

Knows front matter, Markdown, app blocks, links and navigation; knows no model, no theme, no output.
"""

from .navigation import Entry, tree
from .page import App, Heading, Page, placeholder
from .reading import assets, read
from .texts import texts
from .urls import relative

__all__ = [
    "App",
    "Entry",
    "Heading",
    "Page",
    "assets",
    "placeholder",
    "read",
    "relative",
    "texts",
    "tree",
]
