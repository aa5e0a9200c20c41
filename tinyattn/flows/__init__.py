"""Gradient flows: vector fields f(t, y) for `ode.integrate`, each derived above its code."""

from . import emergence, factorization, focus_dilution

__all__ = ["emergence", "factorization", "focus_dilution"]
