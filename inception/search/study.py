"""A study: candidates asked for, priced, trained and told of, by as many workers as there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from inception.errors import InputError, unknown
from inception.runtime import check_installed
from inception.search.budget import Budget, Price
from inception.search.sampling import Space, hand_made
from inception.search.space import FIRST_STAGE, Genome

if TYPE_CHECKING:
    import optuna

SamplerName: TypeAlias = Literal["tpe", "random", "nsga2"]
SAMPLERS: Final = get_args(SamplerName)
ScoreName: TypeAlias = Literal[
    "multiply-adds", "parameters", "gradient-norm", "synflow", "activation-overlap"
]
FilterName: TypeAlias = ScoreName | Literal["supernet"]
FILTERS: Final = (*get_args(ScoreName), "supernet")
NAME: Final = "modules"  # of the study in its storage


@dataclass(frozen=True)
class Plan:
    """What is searched, the same for all workers of a study.

    Attributes:
        data: digest-like words that name the pictures and how they are learned.
        halving: whether candidates that are behind are given up early.
        cost: what a front is drawn against, a part of the price.
        filter: a score by which the best of ``filter_of`` draws are trained first: a zero-cost one,
            or the accuracy with a supernet's weights.
    """

    data: Mapping[str, Any]
    space: Space = field(default_factory=Space)
    budget: Budget = field(default_factory=Budget)
    sampler: SamplerName = "tpe"
    halving: bool = True
    cost: str = "multiply_adds"
    seed: int = 0
    filter: FilterName | None = None
    filter_of: int = 64

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        values = asdict(self)
        values["space"] = {name: _listed(value) for name, value in values["space"].items()}
        if self.filter is None:  # as in studies begun before there was one
            del values["filter"], values["filter_of"]
        if not self.space.only_widths:
            del values["space"]["only_widths"]
        return {**values, "data": dict(self.data)}


@dataclass(frozen=True)
class Candidate:
    """One trial's network and what it came to.

    Attributes:
        accuracy: validation top-1 on the choosing half; None while it trains.
        epochs: for which it was trained.
        seconds: of training, by its last worker.
    """

    number: int
    genome: Genome
    price: Price
    state: str
    accuracy: float | None
    epochs: int
    seconds: float
    hand_made: bool = False

    @property
    def whole(self) -> bool:
        """Whether it was trained to the end."""
        return self.state == "COMPLETE"


def open_study(storage: str, plan: Plan) -> optuna.Study:
    """The study in a storage, made there if there is none.

    Args:
        storage: a file (Optuna's journal), or the URL of a database that several machines see.
        plan: what is searched.

    Raises:
        InputError: Optuna is not installed, the storage cannot be used, or the study there
            searches something else.
    """
    check_installed("search")
    import optuna

    if plan.sampler not in SAMPLERS:
        raise unknown("sampler", plan.sampler, SAMPLERS)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if plan.filter is not None and plan.filter not in FILTERS:
        raise unknown("score", plan.filter, FILTERS)
    if plan.filter == "supernet" and not plan.space.only_widths:
        raise InputError("a supernet holds candidates of the same modules: add --only-widths")
    several = plan.sampler == "nsga2"
    study = optuna.create_study(
        storage=_storage(storage),
        study_name=NAME,
        sampler=sampler_for(plan, 0),
        pruner=_pruner(plan),
        directions=["maximize", "minimize"] if several else ["maximize"],
        load_if_exists=True,
    )
    was, now = study.user_attrs.get("plan"), plan.to_json()
    if was is None:
        study.set_user_attr("plan", now)
        _begin(study, plan)
    elif differing := [name for name in was | now if was.get(name) != now.get(name)]:
        raise InputError(
            f"the study in {storage} differs in {', '.join(differing)}: go on with it as it was "
            "begun, or name another --out or --storage"
        )
    return study


def _begin(study: optuna.Study, plan: Plan) -> None:
    """The hand-made network is the first candidate, narrowed to the budget, where it is a point."""
    told = hand_made(plan.space)
    asked = [(told["width"], plan.space.width)]
    asked += [
        (told[f"{number}.modules"], counts)
        for number, counts in enumerate(plan.space.modules, FIRST_STAGE)
    ]
    if all(least <= value <= most for value, (least, most) in asked):
        study.enqueue_trial(told, user_attrs={"hand_made": True}, skip_if_exists=True)


def _storage(storage: str) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if "://" in storage:
        try:
            return optuna.storages.RDBStorage(storage)
        except Exception as error:  # whatever a database's driver raises
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"--storage {storage}: cannot be used: {reason}") from error
    path = Path(storage)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    except (OSError, ValueError) as error:
        raise InputError(f"--storage {storage}: cannot be used: {error}") from error


def sampler_for(plan: Plan, number: int) -> Any:
    """A sampler whose draws depend on the plan's seed and the trial alone, whoever has it."""
    import numpy as np
    import optuna

    seed = int(np.random.SeedSequence([plan.seed, number]).generate_state(1)[0])
    if plan.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if plan.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(population_size=10, seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=8, multivariate=False)


def _pruner(plan: Plan) -> Any:
    import optuna

    if not plan.halving:
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)


def candidates(study: optuna.Study) -> list[Candidate]:
    """Every trial that was priced, in order: trained, given up half-way or under way."""
    found = []
    for trial in study.get_trials(deepcopy=False):
        told = trial.user_attrs
        if "genome" not in told or "refused" in told or trial.state.name == "FAIL":
            continue
        reached = told.get("accuracies", [])
        found.append(
            Candidate(
                trial.number,
                Genome.from_json(told["genome"]),
                Price(**told["price"]),
                trial.state.name,
                reached[-1] if reached else None,
                len(reached),
                told.get("seconds", 0.0),
                bool(told.get("hand_made")),
            )
        )
    return found


def _listed(value: Any) -> Any:
    return [_listed(each) for each in value] if isinstance(value, tuple) else value
