"""What judges a step of an integrator: by its order, and an implicit one by its equation too."""

import numpy as np

from frame import asked, fitting, judge, settle

C = np.array([2.0, 3.0])

# name: (the field, where it starts at t = 0, the state at t)
CURVED = (lambda t, y: -y * y * np.cos(t), 1 / C, lambda t: 1 / (C + np.sin(t)))
ONLY_TIME = (lambda t, y: np.cos(t) + 0 * y, 0 * C, lambda t: np.sin(t) + 0 * C)
ONLY_STATE = (lambda t, y: -y * y, 1 / C, lambda t: 1 / (C + t))


def measured_order(step, problem, end=2.0):
    """The power of h with which the error at the end falls, and the errors, (4,)."""
    field, start, exact = problem
    counts, errors = np.array([32, 64, 128, 256]), []
    for n in counts:
        y, h = start, end / n
        for i in range(n):
            y = step(field, i * h, y, h)
        errors.append(np.abs(y - exact(end)).max())
    errors = np.maximum(errors, 1e-300)
    return float(np.polyfit(np.log(end / counts), np.log(errors), 1)[0]), errors


@judge
def check_order(step, methods):
    """Measure the order of a step on dy/dt = -y^2 cos t, whose solution is known.

    methods: by name the order that is expected, and what `step` takes before (f, t, y, h), where
             y is an array (2,) and so is what it returns.
    """
    wrong = []
    for name, (order, *before) in methods.items():

        def one(f, t, y, h, before=before):
            return fitting(step, step(*before, f, t, y, h), {"y": y.shape})[0]

        with asked(step), np.errstate(all="ignore"):
            finding = _slope(one, name) or _order(one, name, order)
        if finding:
            wrong.append(name)
            print(finding)
    settle(wrong)


def _slope(step, name):
    """What is wrong with a very short step; "" if nothing."""
    field, y, _ = CURVED
    t, h = 0.3, 1e-6
    new, right = step(field, t, y, h), field(t, y)
    ratio = float(((new - y) / (h * right))[0])
    if abs(ratio - 1) < 1e-3:
        return ""
    told = f"{name}: a step of h = {h:g} changes y by {ratio:.4g} times h f(t, y)"
    if np.abs(new).max() < 1e-3:
        return f"{told}: y itself is missing"
    if abs(ratio * h - 1) < 1e-3:
        return f"{told}: h is missing"
    return f"{told}: its sign is reversed" if abs(ratio + 1) < 1e-3 else told


def _order(step, name, order):
    """Print the errors and the order; what is wrong with it, "" if nothing."""
    found, errors = measured_order(step, CURVED)
    listed = ", ".join(f"{error:.1e}" for error in errors)
    print(f"{name}: errors {listed} as h is halved; order {found:.2f}, expected {order}")
    if abs(found - order) < 0.1:
        return ""
    fine = [
        abs(measured_order(step, problem)[0] - order) < 0.15 for problem in (ONLY_TIME, ONLY_STATE)
    ]
    if fine == [False, True]:
        return "where f does not depend on t the order is right: look at the times of the stages"
    if fine == [True, False]:
        return "where f depends on t alone the order is right: look at the points of the stages"
    return "look at the weights of the last line, and at which slopes they multiply"


# ---- an implicit step


def _bent(t, y):
    """A curved field whose speeds all lead inwards: one end of a step, however long it is."""
    return np.array([-2 * y[0] ** 3 + 3 * y[1] + np.cos(t), -y[0] - y[1] ** 3])


def _bent_jacobian(t, y):
    return np.array([[-6 * y[0] ** 2, 3], [-1, -3 * y[1] ** 2]])


@judge
def check_implicit(step):
    """A step(f, jacobian, t, y, h) of backward Euler, y an array (n,): its growth, equation, order.

    jacobian(t, y) -> df/dy (n, n).
    """

    def one(f, jacobian, t, y, h):
        return fitting(step, step(f, jacobian, t, y, h), {"y": y.shape})[0]

    wrong = []
    with asked(step), np.errstate(all="ignore"):
        decay = lambda t, y: -100 * y
        factor = float(one(decay, lambda t, y: -100 * np.eye(1), 0.0, np.ones(1), 1.0)[0])
        print(f"at h λ = −100 a step multiplies y by {factor:.4g}; 1/101 is 0.0099")
        if not abs(factor) < 1:
            wrong.append("stability")
            print("it grows, where it should decay: take the slope where the step ends")

        y, t, h = np.array([1.5, -1.0]), 0.2, 0.5
        new = one(_bent, _bent_jacobian, t, y, h)
        left = float(np.abs(new - y - h * _bent(t + h, new)).max())
        print(f"of a curved field, y_new − y − h f(t + h, y_new) is {left:.1e} at most")
        if not left < 1e-8:
            wrong.append("the equation")
            print(_left(new, y, t, h))

        across = lambda t, y: np.diag(-2 * y * np.cos(t))
        order, _ = measured_order(lambda f, t, y, h: one(f, across, t, y, h), CURVED)
        print(f"order {order:.2f}, expected 1")
        if not abs(order - 1) < 0.1:
            wrong.append("the order")
    settle(wrong)


def _left(new, y, t, h):
    """In words, which other equation the end of the step solves, if it does."""
    if np.abs(new - y - h * _bent(t, new)).max() < 1e-8:
        return "it solves y_new = y + h f(t, y_new): the end of the step is at another time"
    if np.abs(new - y - h * _bent(t, y)).max() < 1e-8:
        return "it is y + h f(t, y), the step of Euler's method, with the slope at the start"
    return "the iteration has not arrived: more rounds, or a look at its matrix I − h J"
