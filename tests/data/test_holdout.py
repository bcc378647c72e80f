"""What is held out: by class, copies together, whatever names and order."""

import numpy as np
import pytest

from inception.data.holdout import held_out


def draw(classes: list[list[str]], seed: int = 0) -> list[set[str]]:
    """Of each class the held-out pictures; classes are lists of pictures by their content."""
    labels = np.array([i for i, own in enumerate(classes) for _ in own])
    pictures = [picture for own in classes for picture in own]
    held = held_out(labels, [p.encode() for p in pictures], seed)
    return [
        {p for p, label, out in zip(pictures, labels, held, strict=True) if out and label == i}
        for i in range(len(classes))
    ]


@pytest.mark.parametrize(("count", "held"), [(2, 1), (6, 1), (14, 1), (20, 2), (100, 10)])
def test_a_tenth_of_each_class_is_held_out_and_at_least_one(count: int, held: int) -> None:
    classes = [[f"{c}{i}" for i in range(count)] for c in "abc"]
    assert [len(own) for own in draw(classes)] == [held] * 3


def test_it_does_not_depend_on_order_or_on_other_classes() -> None:
    classes = [[f"{c}{i}" for i in range(40)] for c in "ab"]
    drawn = draw(classes)
    assert draw([list(reversed(own)) for own in classes]) == drawn
    assert draw([classes[0]]) == drawn[:1] != draw([classes[0]], seed=1)


def test_copies_stay_together() -> None:
    own = [f"x{i // 5}" for i in range(100)]
    for seed in range(20):
        (held,) = draw([own], seed)
        assert len(held) == 2


@pytest.mark.parametrize("own", [["x"], ["x", "x", "x"], []])
def test_a_class_of_one_picture_gives_none(own: list[str]) -> None:
    assert draw([own, ["y", "z"]])[0] == set()


def test_the_smallest_group_is_given_where_all_are_large() -> None:
    assert draw([["x"] * 9 + ["y"] * 3 + ["z"] * 4]) == [{"y"}]


def test_a_picture_under_two_labels_is_learnt_from() -> None:
    for seed in range(20):
        assert draw([["x", "a"], ["x", "b", "c"]], seed)[0] <= {"a"}


def test_a_class_never_loses_all_its_pictures() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        sizes = rng.integers(1, 12, size=4)
        classes = [[f"{c}{rng.integers(0, 5)}" for _ in range(n)] for c, n in enumerate(sizes)]
        for own, held in zip(classes, draw(classes), strict=True):
            assert set(own) - held
            assert held or len(set(own)) == 1
