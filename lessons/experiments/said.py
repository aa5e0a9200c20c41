"""What a command prints of a run, in words. Every number, and long series, are in results.json."""

from typing import Any

from records import short

SAID = {
    "ladder": {
        "kl_argmin_steps": "steps at which it is nearest to the teachers of 1, 2, ... blocks",
        "kl_there": "    its distances to all of them there, nats",
        "stage_steps": "steps at which it leaves each rung",
        "learned_stage_steps": "    each learned rung",
        "best_step": "step of its least excess loss",
        "best_excess": "    that loss, nats; 0 is the best there is",
        "best_rung": "    the teacher nearest then",
        "own_block": "the block at which each head looks most at the end",
        "own_block_mass": "    its attention on that block",
    },
    "regression": {
        "half_times": "times at which each feature is half learnt",
        "flow_half_times": "    in the flow",
    },
    "text": {
        "word": "words that were followed",
        "count": "    how often each stands in the text",
        "condensed": "step at which the frequencies are learnt",
        "corners": "steps of the clearest turn: it focuses, dilutes, focuses again",
    },
    "recall": {
        "emerged": "step at which half of the clean sequences are answered",
        "solved": "step at which 95% are",
    },
    "location": {"emerged": "step at which the token is found: the loss is below the threshold"},
}


def lines_of(experiment: str, found: dict[str, Any]) -> list[str]:
    """The lines on a run of an experiment: what, and its value; "never" where it is None."""
    words = SAID.get(experiment, {})
    told = {text: found[key] for key, text in words.items() if key in found}
    return [f"    {text}: {short(value, 'never')}" for text, value in told.items()]
