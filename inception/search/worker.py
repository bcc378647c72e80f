"""A worker: takes trials of a study one after the other, and those that died under others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inception.errors import InputError
from inception.search.budget import Pricing, fitted
from inception.search.sampling import draw
from inception.search.space import decode
from inception.search.study import Candidate, Plan, candidates, sampler_for
from inception.search.trainer import Halved, Task, short_training
from inception.training.folder import LAST, is_gone, locked, this_process
from inception.training.group import Interrupted
from inception.training.losses import NotFiniteError

if TYPE_CHECKING:
    import optuna

BEAT_S: Final = 20.0  # between signs of life
STALE_S: Final = 600.0  # without one a worker on another machine is taken for dead
RETRIES: Final = 3  # of a trial whose worker died; more would hang on what kills workers
MOST_REFUSED: Final = 30  # more than those that were trained
OVER: Final = ("COMPLETE", "PRUNED")  # states of trials that count


@dataclass(frozen=True)
class Told:
    """What a worker tells while it goes; all optional.

    Attributes:
        began: a trial's number.
        step: the trial's number, its steps done and in all.
        ended: a candidate that was trained, or given up half-way.
        refused: why a trial came to nothing.
    """

    began: Callable[[int], None] = lambda number: None
    step: Callable[[int, int, int], None] = lambda number, step, steps: None
    ended: Callable[[Candidate], None] = lambda candidate: None
    refused: Callable[[int, str], None] = lambda number, why: None


class Worker:
    """Works at one study in one folder.

    Args:
        study: of ``open_study``.
        plan: the study's.
        task: what candidates are trained on.
        folder: where they are, ``trials/NUMBER`` each; one for all workers of a machine.
        pricing: tells what they cost.
        stopping: whether to save and stop.
        told: what it tells while it goes.
        train: trains a candidate, as ``short_training`` does.
    """

    def __init__(
        self,
        study: optuna.Study,
        plan: Plan,
        task: Task,
        folder: Path,
        *,
        pricing: Pricing | None = None,
        stopping: Callable[[], bool] = lambda: False,
        told: Told | None = None,
        train: Callable[..., float] = short_training,
    ) -> None:
        self.study, self.plan, self.task, self.folder = study, plan, task, folder
        self.pricing, self.stopping, self.told = pricing or Pricing(), stopping, told or Told()
        self.train, self._beat_at = train, 0.0

    def run(self, trials: int) -> None:
        """Takes trials until so many of the study have ended, or are under way elsewhere.

        Raises:
            Interrupted: ``stopping`` said so; the trial under way waits for whoever goes on.
        """
        while self._claimed() < trials:
            if self.stopping():
                raise Interrupted
            self.study.sampler = sampler_for(self.plan, len(self.study.get_trials(deepcopy=False)))
            trial = self.study.ask()
            self.study.sampler = sampler_for(self.plan, trial.number)
            self._take(trial)

    def _claimed(self) -> int:
        """Trials that count or are under way, once those whose worker died wait again."""
        count = refused = 0
        for trial in self.study.get_trials(deepcopy=False):
            name = trial.state.name
            if "refused" in trial.user_attrs:
                refused += 1
            elif name == "RUNNING" and _is_lost(trial.user_attrs):
                self._wait_again(trial)
            else:
                count += name in (*OVER, "RUNNING")
        if refused > MOST_REFUSED + count:
            raise InputError(
                f"{refused} candidates came to nothing, {count} did: the last one, "
                f"{_last_refused(self.study)}; give a larger budget, or another --house"
            )
        return count

    def _wait_again(self, trial: Any) -> None:
        """Gives a trial up and enqueues it anew; of several that see it lost only one may."""
        try:
            self.study.tell(trial.number, state=_state("FAIL"))
        except (RuntimeError, ValueError):  # another one did
            return
        retries = trial.user_attrs.get("retries", 0)
        if retries < RETRIES and trial.params:
            self._enqueue(trial.params, trial.user_attrs, retries + 1)

    def _enqueue(self, parameters: Any, told: Any, retries: int) -> None:
        kept = {name: told[name] for name in ("folder", "hand_made") if name in told}
        self.study.enqueue_trial(parameters, user_attrs={**kept, "retries": retries})

    def _take(self, trial: optuna.Trial) -> None:
        self._live(trial)
        self.told.began(trial.number)
        genome = draw(self.plan.space, trial)
        classes = len(self.task.train.classes)
        within = fitted(genome, self.plan.budget, self.pricing, classes)
        if within is None:
            self._refuse(trial, "over the budget at an eighth of its widths too")
            return
        spec = decode(within, classes, name=f"found_{trial.number}")
        price = self.pricing.of(spec)
        trial.set_user_attr("genome", within.to_json())
        trial.set_user_attr("price", asdict(price))
        trial.set_user_attr("accuracies", [])
        if "folder" not in trial.user_attrs:
            trial.set_user_attr("folder", f"{trial.number:04d}")
        self._train(trial, spec, getattr(price, self.plan.cost))

    def _train(self, trial: optuna.Trial, spec: Any, cost: float) -> None:
        folder = self.folder / "trials" / trial.user_attrs["folder"]
        began, known = time.monotonic(), 0

        def reached(accuracies: list[float]) -> bool:
            nonlocal known
            trial.set_user_attr("accuracies", accuracies)
            trial.set_user_attr("seconds", time.monotonic() - began)
            if self._several:  # which Optuna gives nothing up of
                return False
            for epoch in range(known, len(accuracies)):
                trial.report(accuracies[epoch], epoch + 1)
            known = len(accuracies)
            return bool(trial.should_prune())

        def beat(step: int, steps: int) -> None:
            self.told.step(trial.number, step, steps)
            if time.monotonic() - self._beat_at > BEAT_S:
                self._live(trial)

        state, values = _state("COMPLETE"), None
        try:
            with locked(folder):
                accuracy = self.train(
                    spec, self.task, folder, reached=reached, stopping=self.stopping, beat=beat
                )
            values = [accuracy, cost] if self._several else [accuracy]
        except Halved:
            state = _state("PRUNED")
        except NotFiniteError as error:
            self._refuse(trial, str(error).partition(":")[0])
            return
        except Interrupted:
            self.study.tell(trial.number, state=_state("FAIL"))
            self._enqueue(trial.params, trial.user_attrs, trial.user_attrs.get("retries", 0))
            raise
        self.study.tell(trial.number, values, state=state)
        (folder / LAST).unlink(missing_ok=True)  # four times the network
        self.told.ended(next(c for c in candidates(self.study) if c.number == trial.number))

    @property
    def _several(self) -> bool:
        return self.plan.sampler == "nsga2"

    def _refuse(self, trial: optuna.Trial, why: str) -> None:
        trial.set_user_attr("refused", why)
        self.study.tell(trial.number, state=_state("PRUNED"))  # from which samplers learn
        self.told.refused(trial.number, why)

    def _live(self, trial: optuna.Trial) -> None:
        self._beat_at = time.monotonic()
        trial.set_user_attr("worker", {**this_process(), "beat": time.time()})


def _is_lost(told: Any) -> bool:
    """Whether nobody works at a running trial any more."""
    worker = told.get("worker")
    if worker is None:  # asked for a moment ago
        return False
    return is_gone(worker) or time.time() - worker.get("beat", 0) > STALE_S


def _last_refused(study: optuna.Study) -> str:
    told = [trial.user_attrs.get("refused") for trial in study.get_trials(deepcopy=False)]
    return str([why for why in told if why][-1])


def _state(name: str) -> Any:
    import optuna

    return optuna.trial.TrialState[name]
