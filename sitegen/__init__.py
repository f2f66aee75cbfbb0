"""sitegen: publish a language model the way one publishes a blog."""

__version__ = "0.1.0"
