"""Embeddings of a labelled set: how often the nearest other picture is of the same class."""

from __future__ import annotations

from setting import DATA, Own, arguments, show

from inception.cli.output import percent
from inception.data.datasets import open_data
from inception.embedding.copies import middle, whitened
from inception.embedding.embed import Embedder, gathered, items_of
from inception.embedding.similar import recall_at_1
from inception.prediction import find_model
from inception.weights.model_file import read_info

OPTIONS = (
    Own("--model", "cats-and-dogs", "a MODEL"),
    Own("--data", str(DATA / "imagenette"), "a data set"),
    Own("--threads", None, "as many as there are cores by default"),
)


def main() -> None:
    options = arguments(__doc__, *OPTIONS)
    dataset = open_data(options.data).for_evaluation()
    rows = []
    for stage in (None, middle(read_info(find_model(options.model)).spec)):
        embedder = Embedder(options.model, stage=stage, threads=options.threads)
        began = options.clock()
        seen = gathered(embedder.stream(items_of(dataset)))
        speed = len(seen.vectors) / (options.clock() - began)
        names = {path: i for i, path in enumerate(map(dataset.path, range(len(dataset))))}
        labels = dataset.labels[[names[path] for path in seen.paths]]
        plain, white = (recall_at_1(v, labels) for v in (seen.vectors, whitened(seen.vectors)))
        numbers = str(seen.vectors.shape[1])
        rows.append([stage or "embedding", numbers, percent(plain), percent(white), f"{speed:.0f}"])
    columns = ["vectors", "numbers", "recall@1", "whitened", "pictures/s"]
    show(f"{options.model} on {len(dataset):,} pictures of {options.data}", columns, rows)


if __name__ == "__main__":
    main()
