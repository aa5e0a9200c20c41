# %% [markdown]
# # Practice: a circuit, set by hand
#
# **Question.** Two layers of attention can look a value up behind its key. Which
# weights do it, without any training?
#
# **Takes** 40 minutes, hard. **After** lesson 18.

# %%
import numpy as np

import practice
from tinyattn.models import Transformer
from tinyattn.tasks.recall import AssociativeRecall

# %% [markdown]
# ## Given: a stream with four parts
#
# A sequence is four pairs of a key and a value, then a query, which is one of the keys:
#
#     places   0  1  2  3  4  5  6  7  8
#     tokens   3  7  5  2  0  3  6  1  5        the answer is 2, behind the other 5
#
# Keys are different from one another, and so are values; but a value may be the same
# token as a key. Each place has a vector of 33 numbers in four parts:
#
#     TOKEN     a 1 at the token's number
#     PLACE     a 1 at the place's number
#     BEFORE    zeros, for layer 1 to write into
#     ANSWER    zeros, for layer 2 to write into; it is read out at the last place
#
# A layer adds to the vector x_t of each place (layer 2 at the last place alone)
#
#     Σ_j s_tj (x_j W_V) W_O      s_t = softmax over j ≤ t of (x_t W_Q)·(x_j W_K) / √33
#
# All matrices are 33 x 33, and vectors are rows. This one reads TOKEN and writes the
# same into BEFORE:
#
#     W = np.zeros((D, D))
#     W[TOKEN, BEFORE] = np.eye(8)

# %%
TOKENS, PAIRS = 8, 4
PLACES = 2 * PAIRS + 1
TOKEN, PLACE, BEFORE, ANSWER = slice(0, 8), slice(8, 17), slice(17, 25), slice(25, 33)
D = 33

task = AssociativeRecall(pairs=PAIRS, vocab=TOKENS)
model = Transformer(TOKENS, PLACES, width=D, heads=1, hidden=0, depth=2, norm=False,
                    first_query=PLACES - 1, bias=False)

def network(first, second):
    """All parameters of the model, from two layers of W_Q, W_K, W_V, W_O, each (D, D)."""
    W_E, W_P, W_U = np.zeros((TOKENS, D)), np.zeros((PLACES, D)), np.zeros((D, TOKENS))
    W_E[:, TOKEN], W_P[:, PLACE], W_U[ANSWER] = np.eye(TOKENS), np.eye(PLACES), np.eye(TOKENS)
    params = {"W_E": W_E, "W_P": W_P, "W_U": W_U}
    for i, layer in enumerate((first, second), 1):
        for name in ("W_Q", "W_K", "W_V"):
            params[f"{name}.{i}"] = layer[name][:, None]
        params[f"W_O.{i}"] = layer["W_O"][None]
    return params

# %% [markdown]
# ## Yours
#
# Scores have to be large, 20 or more, so that attention is nearly 0 or 1.

# %%
def layers():
    """-> two dicts of W_Q, W_K, W_V, W_O, each (D, D): layer 1 and layer 2."""
    # Return first, second: such as first = {"W_Q": np.zeros((D, D)), ...}
    return None

# %%
practice.check_accuracy(layers, network, model, task,
                        then="lesson 18 trains a network to do this; now you know what for. "
                             "This was the last one")

# %% [markdown]
# ## Hints
#
# 1. Layer 1 lets each place read the one before it. Its query says where to look: from
#    PLACE, a matrix with ones beside the diagonal (np.eye(9, k=...)), times a large
#    number; its key is PLACE as it is. What does it carry from TOKEN, and where to?
# 2. Layer 2 compares the query's TOKEN with BEFORE at every place, and carries TOKEN
#    into ANSWER. W_O may be the identity in both layers.
# 3. If four in ten answers are still wrong: behind a value stands a key, and this value
#    may be the query's token; and place 0 has nothing before it and reads itself. Let
#    layer 2's score favour the places of values, 1, 3, 5, 7, as well: the query stands
#    at place 8 always, and PLACE says which places are odd.
