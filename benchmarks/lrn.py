"""GoogLeNet with its local response normalisation against the same network without it."""

from __future__ import annotations

from functools import partial
from tempfile import TemporaryDirectory

from setting import arguments, fresh, show, squares

from inception.benchmark.rounds import interleave, ratios
from inception.models import MODELS
from inception.models.variants import with_norm
from inception.runtime import create_engine

BATCH = 32


def main() -> None:
    options = arguments(__doc__, rounds=9)
    spec = MODELS["googlenet"]
    pictures = squares(BATCH, spec)
    rows = []
    with TemporaryDirectory() as folder:
        models = fresh(spec, folder), fresh(with_norm(spec, "none"), folder)
        for name in ("openvino", "torch"):
            one, other = (create_engine(model, name) for model in models)
            ways = {
                "with": partial(one.run, pictures),
                "without": partial(other.run, pictures),
            }
            timings = interleave(ways, rounds=options.rounds, clock=options.clock)
            share = ratios(timings["without"], timings["with"])
            speeds = [f"{BATCH / timing.median:,.1f}" for timing in timings.values()]
            rows.append([name, *speeds, f"{100 * share.median:.1f} % ± {100 * share.spread:.1f} %"])
    columns = ["engine", "with LRN, pictures/s", "without", "speed kept"]
    show(f"googlenet, batch {BATCH}", columns, rows)


if __name__ == "__main__":
    main()
