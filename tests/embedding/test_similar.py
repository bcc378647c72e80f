"""Neighbours beside scikit-learn's, by numpy and by FAISS; copies found among other pictures."""

from pathlib import Path

import numpy as np
import pytest
from changes import CHANGES
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from inception.data.datasets import open_data
from inception.embedding import similar
from inception.embedding.copies import Onlooker, pairs_alike
from inception.embedding.similar import nearest, recall_at_1
from inception.errors import InputError

VECTORS = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)


@pytest.mark.parametrize("search", ["_by_numpy", "_by_faiss"])
@pytest.mark.parametrize("count", [1, 5, 300])
def test_neighbours_are_scikit_learn_s(
    monkeypatch: pytest.MonkeyPatch, search: str, count: int
) -> None:
    monkeypatch.setattr(similar, "find_spec", lambda _: search == "_by_faiss")
    asked = VECTORS[:7] + 0.1
    got = nearest(VECTORS, asked, count)
    fitted = NearestNeighbors(metric="cosine", algorithm="brute").fit(VECTORS)
    distances, rows = fitted.kneighbors(asked, min(count, len(VECTORS)))
    np.testing.assert_array_equal(got.rows, rows)
    np.testing.assert_allclose(got.cosines, 1 - distances, atol=1e-5)


def test_many_queries_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = nearest(VECTORS, VECTORS, 3)
    monkeypatch.setattr(similar, "find_spec", lambda _: None)
    monkeypatch.setattr(similar, "ROWS", 64)
    np.testing.assert_array_equal(nearest(VECTORS, VECTORS, 3).rows, whole.rows)


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(
        InputError, match="200 vectors of 16 numbers cannot be compared with ones of 3"
    ):
        nearest(VECTORS, VECTORS[:, :3], 1)


def test_recall_does_not_count_a_vector_as_its_own_neighbour() -> None:
    labels = np.array([0, 0, 1, 1])
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [1, 0]], np.float32)  # the last equals the first
    assert recall_at_1(vectors, labels) == 0.25  # the second's is right alone


def test_pairs_that_differ_little_are_found_where_all_vectors_are_much_alike() -> None:
    """All share one direction, and vary in another ten times more than in the rest."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(100, 32)).astype(np.float32) + 50
    vectors[:, 0] += 10 * rng.normal(size=100).astype(np.float32)
    vectors[7] = vectors[60] + 0.01
    assert [(a, b) for a, b, _ in pairs_alike(vectors)] == [(7, 60)]


def test_changed_copies_are_found_in_a_set(real_data: Path, tmp_path: Path) -> None:
    """Of other pictures no two count as copies here."""
    dataset = open_data(real_data / "dogs-vs-cats").splits["val"]
    originals = [Image.fromarray(dataset.read(i)) for i in range(40)]
    for split, kind in (("train", "cat"), ("train", "dog"), ("val", "cat"), ("val", "dog")):
        (tmp_path / split / kind).mkdir(parents=True)
    for number, picture in enumerate(originals):
        kind = "cat" if number % 2 else "dog"
        picture.save(tmp_path / "train" / kind / f"{number}.png")
    for number, change in enumerate([*CHANGES.values()] * 5):
        change(originals[number]).convert("RGB").save(tmp_path / "val" / "cat" / f"{number}.png")
    originals[-1].save(tmp_path / "val" / "dog" / "39.png")
    found = Onlooker("cats-and-dogs", threads=1).copies(list(open_data(tmp_path).splits.values()))
    pairs = {frozenset((Path(copy.first).name, Path(copy.second).name)) for copy in found}
    assert pairs == {frozenset({f"{number}.png"}) for number in (*range(20), 39)}
