"""Plain text."""

from inkread.document.elements import Document


def write(document: Document) -> str:
    """One line of text per line of writing; a blank line between paragraphs and between pages."""
    return "\n".join(f"{page.text}\n" if page.lines else "" for page in document.pages)
