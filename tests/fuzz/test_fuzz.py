"""Damaged files of every kind are read, or refused in one line: about a minute of it, seeded.

``make fuzz`` goes on for hours.
"""

from pathlib import Path

import numpy as np
import pytest
from targets import TARGETS

from inception.errors import InputError

FEW = {  # the others are faster
    **dict.fromkeys(("a.h5", "a.keras"), 3),
    **dict.fromkeys(("voc", "voc-list", "coco", "detect-checkpoint", "model"), 20),
    **dict.fromkeys(("checkpoint", "run-config", "detect-config", "avif"), 40),
}
TRIES = 120


@pytest.mark.filterwarnings("ignore")  # decoders wonder aloud about damage they can live with
@pytest.mark.parametrize("name", TARGETS)
def test_a_damaged_file_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    target, random = TARGETS[name], np.random.default_rng(0)
    whole, path = target.whole(), tmp_path / target.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole)
    target.read(path)
    for _ in range(FEW.get(name, TRIES)):
        path.write_bytes(target.damage(whole, random))
        try:
            target.read(path)
        except InputError as error:
            assert str(error)
