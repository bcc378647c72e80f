"""Damage to a file, for tests and for benchmarks/serving.py."""

import random


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A file with bytes changed, cut out, doubled or cut short."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 10, 100))):
        start = rng.randrange(len(changed))
        stop = min(start + rng.choice((1, 1, 2, 8, 200)), len(changed))
        match rng.randrange(4):
            case 0:
                changed[start:stop] = rng.randbytes(stop - start)
            case 1 if len(changed) > 500:
                del changed[start:stop]
            case 2:
                changed[start:start] = changed[start:stop]
            case _:
                changed[start] ^= 1 << rng.randrange(8)
    return bytes(changed[: rng.randrange(1, len(changed))] if rng.random() < 0.1 else changed)
