"""What ``inception search`` prints: progress, a line a trial, the front, the beliefs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inception.cli.output import percent, say
from inception.cli.printing import Printing, clock
from inception.errors import command

if TYPE_CHECKING:
    from inception.search.budget import Price
    from inception.search.study import Candidate, Plan
    from inception.search.trainer import Task


class SearchPrinter(Printing):
    """Prints a search while it goes: a line a trial, a bar for the one under way."""

    def __init__(self, printing: bool, trials: int, plan: Plan, study: Any) -> None:
        super().__init__(printing)
        self.trials, self.plan, self.study = trials, plan, study
        self.began_at, self.own = time.monotonic(), 0

    def told(self) -> Any:
        """What a worker tells."""
        from inception.search.worker import Told

        return Told(lambda number: self.step(number, 0, 1), self.step, self.ended, self.refused)

    def began(self, task: Task) -> None:
        """Prints what candidates are trained and judged on."""
        if not self.printing:
            return
        classes, known = len(task.train.classes), len(self._over())
        epochs = "1 epoch" if task.config.epochs == 1 else f"{task.config.epochs} epochs"
        self.line(
            f"{classes} classes, {len(task.train):,} pictures to learn from, "
            f"{len(task.choosing):,} to choose by, {len(task.final):,} kept apart; "
            f"{epochs} each at {task.config.image_size} px"
        )
        if known:
            self.line(f"going on: {known} of {self.trials} trials have ended")

    def scoring(self, done: int, total: int) -> None:
        """Moves the bar while draws are scored."""
        self.move("scoring", done, total, f"{done} of {total} draws by {self.plan.filter}")

    def preparing(self, step: int, steps: int) -> None:
        """Moves the bar while the supernet is trained."""
        self.move("supernet", step, steps, "training the network that holds all draws")

    def filtered(self, kept: int) -> None:
        """Prints how many draws are trained first, where some were scored."""
        if kept:
            self.line(
                f"{self.plan.filter_of} draws scored by {self.plan.filter}; "
                f"trained first: the best {kept}"
            )
        self.began_at = time.monotonic()

    def step(self, number: int, step: int, steps: int) -> None:
        """Moves the bar."""
        note = f"trial {number}, {self._left(step / max(steps, 1))}"
        done = min(len(self._over()) + 1, self.trials)
        self.move(f"{done}/{self.trials}", step, steps, note)

    def ended(self, candidate: Candidate) -> None:
        """Prints a candidate, the best so far and the time left."""
        from inception.search.outcome import best

        self.own += 1
        if not self.printing:
            return
        over = self._over()
        what = (
            percent(candidate.accuracy)
            if candidate.whole
            else (f"{percent(candidate.accuracy)}, given up after {candidate.epochs}")
        )
        left = "" if len(over) >= self.trials else f"; {self._left(0)}"
        by_hand = ", made by hand" if candidate.hand_made else ""
        winner = best(over)
        lead = "" if winner is None else f"; best {percent(winner.accuracy)}, trial {winner.number}"
        lead = "; the best so far" if winner == candidate else lead
        self.line(
            f"{len(over):>3}/{self.trials}  trial {candidate.number}: {what}, "
            f"{priced(candidate.price)}{by_hand}{lead}{left}"
        )

    def refused(self, number: int, why: str) -> None:
        """Prints why a trial came to nothing."""
        self.line(f"trial {number} came to nothing: {why}")

    def _over(self) -> list[Candidate]:
        from inception.search.study import candidates
        from inception.search.worker import OVER

        return [c for c in candidates(self.study) if c.state in OVER]

    def _left(self, share: float) -> str:
        """Time left, at the pace of this worker's trials and at the share of one under way."""
        done = self.own + share
        if done < 0.02:
            return "time left unknown"
        pace = (time.monotonic() - self.began_at) / done
        return f"{clock(pace * max(self.trials - len(self._over()) - share, 0))} left"


def priced(price: Price) -> str:
    """A price in a few words."""
    latency = "" if price.latency_ms is None else f", {price.latency_ms:.2f} ms"
    return (
        f"{price.multiply_adds / 1e6:.1f} M multiply-adds, "
        f"{price.parameters / 1e6:.2f} M parameters{latency}"
    )


def finish(
    found: list[Candidate],
    plan: Plan,
    data: str,
    folder: Path,
    written: list[Path],
    json: str | None,
    *,
    printing: bool,
) -> None:
    """Prints and writes what came out: the front, the beliefs, what to type next."""
    from inception.cli.output import write_json
    from inception.search.outcome import BEST, best, front

    winner = best(found)
    values = {
        "trials": [
            {**vars(c), "genome": c.genome.to_json(), "price": vars(c.price)} for c in found
        ],
        "front": [c.number for c in front(found, plan.cost)],
        "best": None if winner is None else winner.number,
        "files": [str(path) for path in written],
    }
    write_json(values, json)
    if not printing:
        return
    if winner is None:
        say("no candidate was trained to its end yet: nothing to show")
        return
    _print_front(front(found, plan.cost))
    _print_beliefs(front(found, plan.cost), plan)
    say(f"the best spec: {folder / BEST}; the front, all trials, plot, diagrams: {folder}")
    say("next:")
    say(f"  {command('train', data, '--model', folder / BEST)}")


def _print_front(kept: list[Candidate]) -> None:
    from inception.cli.output import console, table

    latency = any(c.price.latency_ms is not None for c in kept)
    columns = ["trial", "top-1", "multiply-adds", "parameters", "activations", "modules"]
    rows = []
    for c in kept:
        modules = "+".join(str(len(stage)) for stage in c.genome.stages)
        row = [
            f"{c.number}{' (by hand)' if c.hand_made else ''}",
            percent(c.accuracy),
            f"{c.price.multiply_adds:,}",
            f"{c.price.parameters:,}",
            f"{c.price.activation_mb:.2f} MB",
            modules,
        ]
        rows.append([*row, f"{c.price.latency_ms:.2f} ms"] if latency else row)
    say("the front, cheapest first:")
    console().print(table([*columns, "latency"] if latency else columns, rows))


def _print_beliefs(kept: list[Candidate], plan: Plan) -> None:
    """The paper's beliefs, of the front beside the network made by hand."""
    from inception.cli.output import console, table
    from inception.models import get_spec
    from inception.search.beliefs import beliefs
    from inception.search.space import encode

    named = {str(c.number): c.genome for c in kept[-5:]}
    named |= {plan.space.house: encode(get_spec(plan.space.house))}
    rows = []
    for name, genome in named.items():
        told = beliefs(genome)
        share = sum(m.wide_share for m in told.modules) / len(told.modules)
        cells = (
            percent(share),
            f"{told.rise:+.2f}",
            percent(told.reduced),
            percent(told.wide_adds),
        )
        rows.append((name, *cells))
    columns = (
        "network",
        "outputs wider than 1x1",
        "rises with depth",
        "reduced to",
        "their multiply-adds",
    )
    say("what the paper believes: wider kernels gain with depth, reductions before them")
    console().print(table(columns, rows))
