"""How well a table of layer timings predicts a network's latency: 30 candidates it never saw.

python benchmarks/latency_prediction.py --threads 1 --precision fp32
"""

import argparse

import numpy as np

from inception.search.sampling import Dice, Space, draw
from inception.search.space import decode
from inception.search.timing import layer_table, this_machine, time_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    parser.add_argument("--candidates", type=int, default=30)
    parser.add_argument("--image-size", type=int, default=64)
    asked = parser.parse_args()
    table = layer_table(asked.precision, threads=asked.threads)
    errors = []
    print("candidate  measured ms  predicted ms  error")
    for seed in range(asked.candidates):
        spec = decode(draw(Space(image_sizes=(asked.image_size,)), Dice(seed)), num_classes=2)
        measured = time_network(spec, asked.precision, threads=asked.threads).total_ms
        predicted = table.latency_ms(spec)
        errors.append(abs(predicted / measured - 1))
        print(
            f"{seed:>9}  {measured:>11.2f}  {predicted:>12.2f}  {100 * errors[-1]:>4.1f} %",
            flush=True,
        )
    mean, worst = 100 * np.mean(errors), 100 * np.max(errors)
    print(f"mean error {mean:.1f} %, largest {worst:.1f} %, of {asked.candidates} candidates at")
    print(f"{asked.image_size} px, {asked.precision}; {this_machine(asked.threads)}")


if __name__ == "__main__":
    main()
