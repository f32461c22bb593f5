"""A classifier whose score does not tell which systematic variation an event is of."""

from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._checks import check_count
from .._custom_types import Scalar
from .._events import Dataset
from .._observable import affine
from .._templates import Scores
from .event_objective import (
    AbstractEventObjective,
    binary_cross_entropy,
    logits_of,
)


@final
class AdversarialCrossEntropy(AbstractEventObjective):
    r"""Cross entropy, less what an adversary learns of the variation from the score.

    A second network, the adversary, sees the score of background events and guesses
    whether an event is nominal or of a variation, each equally likely. It is trained
    with the pipeline to guess well, the classifier to leave it nothing to guess from:

    $$E = L_\mathrm{classifier} - \lambda L_\mathrm{adversary}$$

    is minimised over the classifier and maximised over the adversary, here in the same
    step by a gradient that is reversed between the two.

    Args:
        systematics: the names of the variations.
        strength: λ; 0 is the cross entropy alone. Both networks chase each other: start
            from a classifier, at a low rate.
        hidden: width of each hidden layer of the adversary.
        key: random key of its initial weights.

    References:
        Louppe, Kagan, Cranmer, arXiv:1611.01046, eq. 3, with the discrete nuisance
        parameter "which variation"; the reversed gradient: arXiv:1409.7495.
    """

    adversary: tuple[eqx.nn.Linear, ...]
    systematics: tuple[str, ...] = eqx.field(static=True)
    strength: float = eqx.field(static=True)

    def __init__(
        self,
        systematics: Sequence[str],
        *,
        strength: float = 1.0,
        hidden: Sequence[int] = (50, 50),
        key: PRNGKeyArray,
    ):
        call = "AdversarialCrossEntropy"
        check_count(f"{call}(systematics=...)", len(systematics))
        if not strength >= 0:
            raise ValueError(
                f"`{call}(strength=...)` must not be negative; got {strength}."
            )
        sizes = (1, *hidden, 1 + 2 * len(systematics))
        keys = jax.random.split(key, len(sizes) - 1)
        self.adversary = tuple(
            eqx.nn.Linear(n_in, n_out, dtype=float, key=k)
            for n_in, n_out, k in zip(sizes, sizes[1:], keys, strict=False)
        )
        self.systematics = tuple(systematics)
        self.strength = strength

    @property
    def _shifts(self) -> tuple[str, ...]:
        sides = (f"{s}:{side}" for s in self.systematics for side in ("up", "down"))
        return ("", *sides)

    def sums(
        self, scores: Scores, dataset: Dataset, signals: tuple[str, ...]
    ) -> PyTree:
        """Those of the cross entropy, and of each variation those of the guesses."""
        guesses = jnp.zeros((len(self._shifts), 2))
        for key, events in dataset.scored_samples():
            if key.process in signals or key.shift not in self._shifts:
                continue
            label = self._shifts.index(key.shift)
            logits = logits_of(scores, key, "AdversarialCrossEntropy")
            entropy = -jax.nn.log_softmax(self._guess(logits))[:, label]
            # Signed weights would reward a wrong guess.
            weights = jnp.abs(events.weights)
            both = jnp.stack([(weights * entropy).sum(), weights.sum()])
            guesses = guesses.at[label].add(both)
        return binary_cross_entropy.sums(scores, dataset, signals), guesses

    def value(self, sums: PyTree) -> Scalar:
        """The cross entropy of the classifier, in nats, with the gradient of both."""
        of_classes, guesses = sums
        # A variation that no background has counts nothing, and is no 0/0.
        total = jnp.where(guesses[:, 1] > 0, guesses[:, 1], 1.0)
        of_adversary = (guesses[:, 0] / total).mean()
        unseen = of_adversary - jax.lax.stop_gradient(of_adversary)
        return binary_cross_entropy.value(of_classes) + unseen

    def _guess(self, logits: Float[Array, " events"]) -> Float[Array, "events shifts"]:
        # Of the value, which is bounded: from an adversary that sees logits a
        # classifier runs away to larger ones.
        value = jax.nn.sigmoid(_reverse(logits, self.strength))
        x = 4.0 * (value[:, None] - 0.5)
        *inner, last = self.adversary
        for layer in inner:
            x = jnp.tanh(affine(layer, x))
        return affine(last, x)

    def __repr__(self) -> str:
        return "adversarial_cross_entropy"


@jax.custom_jvp
def _reverse(x: Array, strength: float) -> Array:
    """The same numbers, whose gradient is −`strength` times what comes back."""
    return x


@_reverse.defjvp
def _reverse_jvp(primals, tangents):
    x, strength = primals
    return x, -strength * tangents[0]
