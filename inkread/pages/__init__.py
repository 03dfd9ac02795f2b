"""A page becomes lines, and a document is read."""
