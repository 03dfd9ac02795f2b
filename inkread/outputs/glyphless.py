"""A font without ink: its characters take up room, can be found and copied, and show nothing.

Tesseract and OCRmyPDF write the text of scanned pages in such a font too. It is a TrueType font, which a PDF must
contain even if nothing of it is drawn. Its only glyph is a line from corner to corner of the box that a viewer marks
when the text is selected: it encloses nothing, but PDFium takes the height of its box. Which character a code means is
told apart from it, in the table ToUnicode (ISO 32000-1, 9.10.3).
"""

import struct

from pikepdf import Array, Dictionary, Name, Pdf, Stream

UNITS = 1000  # per em
WIDTH = 500  # of each character
ASCENT, DESCENT = 800, -200  # of the box that a viewer marks when the text is selected, from the baseline
_FIXED_PITCH, _SYMBOLIC = 1, 4  # flags of a font, ISO 32000-1, table 123
_CODES_AT_ONCE = 100  # entries that a part of a ToUnicode table may have


class GlyphlessFont:
    """The font in a PDF, with codes for the characters of its texts. Further characters get further codes.

    `finish` writes which characters the codes mean; it is called once, after the last text.
    """

    def __init__(self, pdf: Pdf) -> None:
        self.pdf = pdf
        self.codes: dict[str, int] = {}  # from 1 on; 0 is the character that a font lacks
        self.font = pdf.make_indirect(
            Dictionary(Type=Name.Font, Subtype=Name.Type0, BaseFont=Name.GlyphLessFont, Encoding=Name("/Identity-H"))
        )

    def encode(self, text: str) -> bytes:
        """A text as the operand of an operator that shows text: two bytes for each character, as hex digits."""
        codes = [self.codes.setdefault(character, len(self.codes) + 1) for character in text]
        return b"<%s>" % "".join(f"{code:04x}" for code in codes).encode()

    def finish(self) -> None:
        """Complete the font in the PDF."""
        program = Stream(self.pdf, _truetype(), Length1=len(_truetype()))
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=Name.GlyphLessFont,
            Flags=_FIXED_PITCH | _SYMBOLIC,
            FontBBox=Array([0, DESCENT, WIDTH, ASCENT]),
            Ascent=ASCENT,
            Descent=DESCENT,
            CapHeight=ASCENT,
            ItalicAngle=0,
            StemV=80,
            FontFile2=self.pdf.make_indirect(program),
        )
        glyphs = Stream(self.pdf, b"\0\0" + b"\0\1" * len(self.codes))  # all codes from 1 on are the glyph 1
        system = Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0)
        descendant = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=Name.GlyphLessFont,
            CIDSystemInfo=system,
            FontDescriptor=self.pdf.make_indirect(descriptor),
            DW=WIDTH,
            CIDToGIDMap=self.pdf.make_indirect(glyphs),
        )
        self.font.DescendantFonts = Array([self.pdf.make_indirect(descendant)])
        self.font.ToUnicode = self.pdf.make_indirect(Stream(self.pdf, _to_unicode(self.codes)))


def _to_unicode(codes: dict[str, int]) -> bytes:
    """The table that says which characters the codes mean."""
    rows = [f"<{code:04x}> <{character.encode('utf-16-be').hex()}>" for character, code in codes.items()]
    parts = [rows[start : start + _CODES_AT_ONCE] for start in range(0, len(rows), _CODES_AT_ONCE)]
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
        "1 begincodespacerange <0000> <ffff> endcodespacerange",
        *(line for part in parts for line in (f"{len(part)} beginbfchar", *part, "endbfchar")),
        "endcmap CMapName currentdict /CMap defineresource pop end end",
    ]
    return "\n".join(lines).encode()


def _truetype() -> bytes:
    """The font program, with the tables that a PDF needs (ISO 32000-1, 9.9): the empty glyph 0, and the glyph 1."""
    glyphs, points = 2, 2
    # number of contours, box, last point of the contour, length of instructions, for each point the flag "on the
    # curve", then the steps in x and in y
    glyph = struct.pack(
        ">hhhhhHHBBhhhhxx", 1, 0, DESCENT, WIDTH, ASCENT, points - 1, 0, 1, 1, 0, WIDTH, DESCENT, ASCENT - DESCENT
    )
    tables = {
        b"glyf": glyph,
        # version, revision, checksum (below), magic number, flags, units, created, modified, the box, style, the
        # smallest size, direction, short offsets in loca, format of glyf
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            0x10000,
            0x10000,
            0,
            0x5F0F3CF5,
            0,
            UNITS,
            0,
            0,
            0,
            DESCENT,
            WIDTH,
            ASCENT,
            0,
            8,
            2,
            0,
            0,
        ),
        # version, ascent, descent, line gap, largest advance, bearings and extent, slope of the caret, 0 ..., number of
        # widths in hmtx
        b"hhea": struct.pack(
            ">IhhhHhhhhhhhhhhhH", 0x10000, ASCENT, DESCENT, 0, WIDTH, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1
        ),
        b"hmtx": struct.pack(">Hhh", WIDTH, 0, 0),  # all glyphs have the width of the first one
        b"loca": struct.pack(">HHH", 0, 0, len(glyph) // 2),  # the start of each glyph and the end, divided by 2
        # version, number of glyphs, largest numbers of points and contours, then: nothing composed, no instructions
        b"maxp": struct.pack(">IH13H", 0x10000, glyphs, points, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    }
    return _font_file(tables)


def _font_file(tables: dict[bytes, bytes]) -> bytes:
    """The tables behind their directory, each at a multiple of four bytes."""
    power = len(tables).bit_length() - 1
    directory = struct.pack(">IHHHH", 0x10000, len(tables), 16 << power, power, 16 * len(tables) - (16 << power))
    body = b""
    for tag, data in sorted(tables.items()):
        offset = 12 + 16 * len(tables) + len(body)
        directory += struct.pack(">4sIII", tag, _checksum(data), offset, len(data))
        body += _padded(data)
    file = bytearray(directory + body)
    head = 12 + 16 * len(tables) + sum(len(_padded(data)) for tag, data in sorted(tables.items()) if tag < b"head")
    file[head + 8 : head + 12] = struct.pack(">I", (0xB1B0AFBA - _checksum(bytes(file))) % 2**32)
    return bytes(file)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _checksum(data: bytes) -> int:
    """The sum of all 32-bit words."""
    data = _padded(data)
    words: tuple[int, ...] = struct.unpack(f">{len(data) // 4}I", data)
    return sum(words) % 2**32
