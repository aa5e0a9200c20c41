"""What judges a diagnosis: five backwards of an attention layer, each with a mistake in it."""

import numpy as np

from frame import NotYet, judge, script_name
from tinyattn import gradcheck
from tinyattn.mutants import MUTANTS, SELF, broken

LETTERS = "abcdefgh"
PATIENTS = 5


def drawn():
    """For each of the backwards, from 1, the letter of its mistake."""
    order = np.random.default_rng(20).permutation(len(MUTANTS))[:PATIENTS]
    return {i: LETTERS[k] for i, k in enumerate(order, 1)}


@judge
def check_diagnoses(answers):
    """The letters of mistakes, {1: "a", ...}, after a table of what each backward gets wrong."""
    case = next(case for case in gradcheck.cases() if case.name == SELF)
    print("The mistakes:", *(f"  {k}  {m.mistake}" for k, m in zip(LETTERS, MUTANTS)), sep="\n")
    failed = {}
    for i, letter in drawn().items():
        mutant = MUTANTS[LETTERS.index(letter)]
        with broken(mutant.function, mutant.right, mutant.wrong):
            rows = gradcheck.check(case)
        failed[i] = {row.tensor for row in rows if not row.error <= gradcheck.TOLERANCE}
        print(f"\nbackward {i}: relative error, and the worst number")
        for row in rows:
            numbers = f"{row.by_hand:+.6f} by hand, {row.by_differences:+.6f} by differences"
            print(f"  d{row.tensor:<4} {row.error:8.1e}   {numbers}")
    print()

    for i in failed:
        if answers.get(i) is None or answers[i] not in tuple(LETTERS):
            wanted = f"a letter, a to {LETTERS[-1]}, for each of 1 to {PATIENTS}"
            came = f"got {answers.get(i)!r} for {i}"
            raise NotYet(f"answers: expected {wanted}, {came}: write them in {script_name()}")
    wrong = [i for i, letter in drawn().items() if answers[i] != letter]
    for i in wrong:
        breaks = MUTANTS[LETTERS.index(answers[i])].breaks
        listed = ", ".join(f"d{name}" for name in case.wrt if name in breaks)
        told = f"{i}: with {answers[i]} these would be wrong: {listed}; "
        same = "the same are; look at the numbers" if breaks == failed[i] else "here others are"
        print(told + same)
    if wrong:
        right = PATIENTS - len(wrong)
        raise NotYet(f"{right} of {PATIENTS} are found; not {', '.join(map(str, wrong))}")
