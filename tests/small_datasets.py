"""Small datasets for tests."""

from pathlib import Path

import pytest
from PIL import Image

from inkread.data import open_dataset
from inkread.errors import BadDataset

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def draw(path: Path, width: int = 40, height: int = 20, grey: int = 255) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, height), grey).save(path)
    return path


def texts(spec: Path | str) -> list[str]:
    return [sample.text for sample in open_dataset(str(spec)).samples]


def refusal(spec: Path | str) -> str:
    with pytest.raises(BadDataset) as caught:
        open_dataset(str(spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


N = [[[0, 10], [0, 0], [5, 0], [5, 10]]]
INKML = """<ink>
  <traceGroup><annotation type="truth">to</annotation><trace>0 0,5 9,9 0</trace></traceGroup>
  <traceGroup><annotation type="truth">be</annotation><trace>0 50,5 59,9 50</trace></traceGroup>
  <trace>20 20,30 30</trace>
</ink>"""


ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
  <Description><sourceImageInformation><fileName>{picture}</fileName></sourceImageInformation></Description>
  <Layout><Page WIDTH="200" HEIGHT="100"><PrintSpace><TextBlock>{lines}</TextBlock></PrintSpace></Page></Layout>
</alto>"""
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
  <Page imageFilename="{picture}" imageWidth="200" imageHeight="100"><TextRegion>{lines}</TextRegion></Page>
</PcGts>"""
BOX = ((10.0, 20.0), (110.0, 20.0), (110.0, 50.0), (10.0, 50.0))
ALTO_LINE = (
    '<TextLine ID="l" {}><Shape><Polygon POINTS="{}"/></Shape><String CONTENT="un"/><SP/><String CONTENT="mot"/>'
    "</TextLine>"
)
