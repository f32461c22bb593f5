"""The ways of training that `compare` trains, each with a budget of its own."""

from dataclasses import dataclass
from typing import Any

from .builders import stage_tables
from .config import (
    ConfigError,
    RunConfig,
    SelectionTable,
    SoftmaxTable,
    StageTable,
    WarmStartTable,
)

# An adversary and its classifier chase each other: they need a lower rate.
_OF_ADVERSARY = 0.3


@dataclass(frozen=True)
class Way:
    """One way of training.

    Args:
        name: what it is called in tables.
        config: the description, with its own observable and stages.
    """

    name: str
    config: RunConfig

    @property
    def document(self) -> dict[str, Any]:
        """Its name, folder, observable and stages as plain JSON values."""
        return {
            "name": self.name,
            "folder": self.folder,
            "observable": self.config.observable.kind,
            "stages": [
                stage.model_dump(mode="json", exclude_none=True)
                for stage in stage_tables(self.config)
            ],
        }

    @property
    def folder(self) -> str:
        """Its name, as a folder's."""
        return "".join(c if c.isalnum() or c in "_-" else "-" for c in self.name)


def ways_of(config: RunConfig) -> tuple[Way, ...]:
    """The baselines and, last, what `[training]` says.

    Raises:
        ConfigError: a baseline has the name of the objective.
    """
    stages = stage_tables(config)
    ours = stages[-1].objective
    names = [*config.compare.baselines, *(way.name for way in config.compare.ways)]
    if ours in names:
        raise ConfigError(
            f"`compare` and `training` both name {ours!r}: there is nothing to "
            "compare. Change one of them."
        )
    known = [Way(name, _baseline(config, name)) for name in config.compare.baselines]
    own = [
        Way(way.name, _with(config, way.stages, way.observable))
        for way in config.compare.ways
    ]
    return (*known, *own, Way(ours, config))


def _baseline(config: RunConfig, name: str) -> RunConfig:
    table = config.training
    warm = table.warm_start or WarmStartTable()
    if isinstance(config.observable, SelectionTable):
        raise ConfigError(
            f"`compare.baselines` names {name!r}, which trains a network; an "
            "observable of the kind 'selection' has none. Describe a way of its own in "
            "`compare.ways`."
        )
    common = {"batch": table.batch, "chunk": table.chunk}
    entropy = StageTable(
        objective="binary_cross_entropy",
        steps=warm.steps,
        learning_rate=warm.learning_rate,
        **common,
    )
    if name == "softmax":
        # INFERNO: bins of the network's own, trained from scratch on the variance.
        shape = config.observable.model_dump(include=set(SoftmaxTable.model_fields))
        observable = SoftmaxTable(**{**shape, "kind": "softmax", "from_scratch": True})
        stage = StageTable(
            objective="poi_variance",
            steps=warm.steps + sum(stage.steps for stage in stage_tables(config)[1:]),
            learning_rate=warm.learning_rate,
            bandwidth=0.1,
            **common,
        )
        return _with(config, (stage,), observable)
    if name == "adversarial_cross_entropy":
        rate = _OF_ADVERSARY * warm.learning_rate
        second = entropy.model_copy(update={"objective": name, "learning_rate": rate})
        return _with(config, (entropy, second), None)
    return _with(config, (entropy.model_copy(update={"objective": name}),), None)


def _with(
    config: RunConfig, stages: tuple[StageTable, ...], observable: object
) -> RunConfig:
    changed: dict[str, object] = {
        "training": config.training.model_copy(update={"stages": stages})
    }
    if observable is not None:
        changed["observable"] = observable
        # Bins of a softmax are told apart by the network: none to merge.
        if isinstance(observable, SoftmaxTable):
            changed["rebinning"] = None
    return config.model_copy(update=changed)
