"""What scales a whole process: strengths, free factors, formulas, control regions."""

from collections.abc import Callable

from ..._histfactory.expression import Call, Expression, Name, Number
from ..._histfactory.functions import ExpressionFunction
from ..._histfactory.modifiers import AbstractModifier, GammaNorm, Lumi, NormFactor
from ..._histfactory.modifiers.function import FunctionFactor
from .card import Card, Cell, fault
from .effects import Effects
from .formula import of_errors, resolved_formulas
from .strengths import Strengths


class Scaling:
    """Makes the modifiers that scale processes; those of one parameter once.

    Args:
        card: the card.
        scaled: the strength of each process.

    Raises:
        WorkspaceError: naming the line of a formula that cannot be used.
    """

    def __init__(self, card: Card, scaled: Strengths):
        self.card, self.scaled = card, scaled
        parameters = {each.name for each in card.systematics} | {*scaled.names}
        parameters |= {each.name for each in card.rates if each.arguments is None}
        parameters |= {*card.constraints}
        self.formulas = resolved_formulas(
            card.rates, card.extras, parameters, card.asymmetric
        )
        self._modifiers: dict[str, AbstractModifier] = {}
        self._values: dict[str, FunctionFactor] = {}

    def modifiers(self, cell: Cell, effects: Effects) -> list[AbstractModifier]:
        """The modifiers that scale a process, but for log-normal factors."""
        made: list[AbstractModifier] = []
        strength = self.scaled.of[cell]
        if strength != "1":
            made.append(self._once(strength, NormFactor))
        made += [self._once(name, self._rate) for name in effects.rates]
        for name, count, _ in effects.counts:
            made.append(self._once(name, lambda name, n=count: GammaNorm(name, n)))
        for name, error in effects.gammas.items():
            made.append(self._gamma(name, error))
        for name, slope in effects.linear.items():
            made.append(_linear(name, slope))
        return made

    def functions(self, cell: Cell, effects: Effects) -> list[FunctionFactor]:
        """The same, each as a function of its parameters."""
        return [
            modifier
            if isinstance(modifier, FunctionFactor)
            else self._value(modifier.name)
            for modifier in self.modifiers(cell, effects)
        ]

    def _once(
        self, name: str, make: Callable[[str], AbstractModifier]
    ) -> AbstractModifier:
        if name not in self._modifiers:
            self._modifiers[name] = make(name)
        return self._modifiers[name]

    def _value(self, name: str) -> FunctionFactor:
        if name not in self._values:
            expression = Expression(name, Name(name), (name,))
            self._values[name] = _function(name, expression)
        return self._values[name]

    def _rate(self, name: str) -> AbstractModifier:
        if name in self.formulas:
            return _function(name, self.formulas[name])
        if name in self.card.asymmetric:
            expression = of_errors(name, self.card.asymmetric[name])
            return _function(f"{name} of its errors", expression)
        if name in self.card.constraints:
            return Lumi(name, self.card.constraints[name].up)
        return NormFactor(name)

    def _gamma(self, name: str, error: float) -> AbstractModifier:
        lines = [s for s in self.card.systematics if s.name == name and s.kind == "gmM"]
        others = {effect for each in lines for effect in each.effects.values()}
        line = lines[0].line
        if len(others) > 1:
            raise fault(
                line,
                f"{name!r} has {len(others)} different errors; a gmM has one for all "
                "processes.",
            )
        if not 0 < error < 1:
            raise fault(line, f"the error of {name!r} must be below 1; got {error:g}.")
        tau = error**-2
        # The density x^(tau - 1) exp(-tau x) is that of a count of tau - 1.
        return self._once(name, lambda name: GammaNorm(name, tau - 1, tau, 1.0))


def _linear(name: str, slope: float) -> FunctionFactor:
    text = f"1{slope:+g}*{name}"
    root = Call("+", (Number(1.0), Call("*", (Number(slope), Name(name)))))
    return _function(text, Expression(text, root, (name,)))


def _function(name: str, expression: Expression) -> FunctionFactor:
    made = ExpressionFunction(expression, expression.names, 1, {})
    return FunctionFactor(name, made, expression.names)
