"""inkread reads handwriting: pictures of lines in, text out."""

__version__ = "0.1.0"
