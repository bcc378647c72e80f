"""docs/models.md: what the code says of every network."""

import re
from pathlib import Path

from inception.models import MODELS
from inception.weights.catalogue import CATALOGUE
from inception.weights.page import PAPERS, page

WRITTEN = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")


def test_the_page_in_docs_is_what_the_code_says() -> None:
    assert page() == WRITTEN, "run: inception models --markdown docs/models.md"


def test_it_has_a_section_for_every_network() -> None:
    assert re.findall(r"^## (\w+)$", WRITTEN, re.MULTILINE) == list(MODELS)


def test_equal_stages_share_a_row_that_names_the_first_and_last() -> None:
    section = WRITTEN.split("\n## inception_resnet_v2\n")[1].split("\n## ")[0]
    assert "| block35_1 to block35_10, each | 320×35×35 | 123,168 | 149,900,800 | 383 px" in section
    rows = re.findall(r"^\| (?:block17_\d+ to )?block17_(\d+)", section, re.MULTILINE)
    assert rows == ["19", "20"]  # the last one carries the head


def test_published_figures_are_the_catalogue_s_and_the_papers_in_percent() -> None:
    assert set(PAPERS) <= set(MODELS)
    assert "| `googlenet.bvlc_in1k` | 68.7 | 88.9 | BVLC |" in WRITTEN
    assert "| by the paper | – | 89.93 | arXiv:1409.4842 |" in WRITTEN
    figures = {entry.tag for entry in CATALOGUE.values() if entry.figures}
    assert figures == set(re.findall(r"^\| `([\w.]+)` \|", WRITTEN, re.MULTILINE))
