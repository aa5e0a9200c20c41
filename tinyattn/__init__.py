"""tinyattn: how attention heads learn, with every gradient written by hand.

`dir(tinyattn)` lists the modules in reading order, and each is there as an attribute. Who has an
hour reads ops, attention, models/, gradcheck, steps, optim and train.

One alphabet, used by every file, derivation and lesson:

    B  sequences in a batch         x  input                 s   attention: softmax of a row of a
    T  queries (output positions)   y  output                v   values, which attention averages
    S  keys (input positions)       a  attention scores      W   a weight matrix
    V  vocabulary                   q  queries               dx  dL/dx, the gradient of the loss L,
    D  width of the model           k  keys                      shaped like x
    H  heads                                                 δx  a small change of x,
    K  size of a query or key       C  size of a value           in derivations only

Every derivation runs the same way: change the inputs by δ, see δy to first order, write the change
of the loss δL = sum(dy * δy), and read off what multiplies each δ. Lines of a derivation carry
numbers; the code cites them.

What a function takes is declared above it, in the words of door.py, and is the first line of its
documentation. What it cannot use it refuses in one line, an errors.InputError that names the
argument, what was expected and what came; a docstring says "Raises" where there is more to it than
shapes and types.

A head axis is right before the axes it serves: scores (..., H, T, S), values (..., H, S, C).
Axes of attention maps are [query, key]; each row sums to 1.
"""

import importlib

__version__ = "0.1.0"
_ORDER = """
    errors door terminal backend
    ops attention few_queries models
    cases mutants evidence kinds missing doctor gradcheck
    steps pairs bdf events ode
    losses optim kept checkpoint train hold
    tasks flows measure
    sweep plot player
"""
__all__ = _ORDER.split()  # in reading order; a module imports those before it


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _InOrder(str):
    """A name that sorts as the list above does, since dir() sorts."""

    def __lt__(self, other):
        return __all__.index(self) < __all__.index(other)


def __dir__():
    return [_InOrder(name) for name in __all__]
