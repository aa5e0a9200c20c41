"""Gradient flows: vector fields f(t, y) for `ode.integrate`, each derived above its code."""
