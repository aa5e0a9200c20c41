"""Gradient flows: vector fields f(t, y) for `ode.integrate`, each derived above its code.

A flow is a frozen dataclass of settings with

    start(...)    a state to begin from, a NumPy array; leading axes of states are free
    f(t, y)       dy/dt
    loss(y)       what it descends, (...)
    split(y)      the named parts of a state

`population` has the gradients of a whole layer that two of these flows reduce to few numbers.
"""

from . import (
    emergence,
    factorization,
    focus_dilution,
    frozen_copy,
    linearization,
    population,
    repetition,
    stages,
)

__all__ = [
    "emergence",
    "factorization",
    "focus_dilution",
    "frozen_copy",
    "linearization",
    "population",
    "repetition",
    "stages",
]
