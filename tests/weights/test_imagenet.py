"""ImageNet's classes agree with timm's ids, torchvision's names and the sample's file names."""

from importlib import import_module
from pathlib import Path

from inception.benchmark import import_torchvision
from inception.weights.imagenet import BACKGROUND, imagenet_classes, imagenet_names

import_torchvision()  # which timm imports too, and may not find fit for this torch


def test_the_ids_are_timm_s_in_order() -> None:
    theirs = import_module("timm.data").ImageNetInfo("imagenet1k").label_names()
    assert [c.wordnet_id for c in imagenet_classes()] == theirs


def test_the_names_are_torchvision_s_but_for_words_in_brackets() -> None:
    theirs = import_module("torchvision.models._meta")._IMAGENET_CATEGORIES
    names = imagenet_names()
    assert len(names) == len(theirs) == 1000
    differ = {a: b for a, b in zip(names, theirs, strict=True) if a != b}
    assert differ == {
        "crane (bird)": "crane bird",
        "crane (machine)": "crane",
        "Cardigan (dog)": "Cardigan",
        "cardigan (jacket)": "cardigan",
        "maillot (tights)": "maillot",
        "maillot (swimsuit)": "maillot tank suit",
    }


def test_no_two_classes_share_a_name_not_even_but_for_capitals() -> None:
    assert len({name.lower() for name in imagenet_names(background=True)}) == 1001
    assert imagenet_names(background=True)[:2] == (BACKGROUND, "tench")


def test_the_sample_s_pictures_are_called_by_these_ids_and_names(real_data: Path) -> None:
    names = dict(imagenet_classes())
    files = sorted((real_data / "imagenet-sample").glob("*.JPEG"))
    assert len(files) == 70
    for file in files:
        wordnet_id, name = file.stem.split("_", 1)
        assert names[wordnet_id].split(" (")[0].replace(" ", "_") == name
