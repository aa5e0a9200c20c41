"""The figure of lesson 17."""

from experiments import figures
from tinyattn import player, plot


def turns(trial, found):
    """The standard picture of a TextTrial."""
    return figures.text(trial, {trial.seed: found})


def page(found):
    """Spread of attention of up to eight followed words, in order and shuffled, to drag through."""
    text = "Attention of words, in a text and in random order."
    page = player.Page("Real text", text, choice="order")
    for name, run in (("the text", found), ("random order", found["shuffled"])):
        words = found["word"][: len(plot.COLOURS)]
        entropy = [list(of_word) for of_word in zip(*run["entropy"])]
        curves = dict(zip(words, entropy))
        unseen = {"loss": run["unseen"]}
        page.curves(run["step"], curves, label="spread of attention, nats", of=name)
        page.curves(run["unseen_step"], unseen, label="loss on unseen text", of=name)
    return page
