# %% [markdown]
# # Practice: the first push, with two letters
#
# **Question.** Attention is still uniform. Which score does the gradient raise, and by
# how much?
#
# **Takes** 20 minutes, medium; paper and a pencil. **After** lesson 03.

# %%
import numpy as np

import practice
from tinyattn import gradcheck

# %% [markdown]
# ## Given: a b b, and then a
#
# There are two letters, a and b. The next letter is always that at lag 3, three places
# before it, so behind a b b comes an a. A head has three scores, one for each place,
# in the code `scores`, and all are 0. What each letter writes it has learnt already, a
# little: two numbers, one for each letter that may come next.
#
#     a writes (3 ln 2, 0)        b writes (0, 3 ln 2)
#
# The output y is the average of what the three letters write. p = softmax(y) says how
# likely the head thinks each letter is. The loss is L = −ln p of the letter that comes,
# here of a.
#
# ## Yours
#
# Work these out on paper, each from those above it, and write them here to three
# digits. ln 2 is 0.6931. A list stands in the order of places, or of letters, and then
# the letter a is first. They are judged in order, up to the first that is missing.

# %%
paper = {
    "s": None,  # three numbers: the attention on each place, such as [0.1, 0.2, 0.7]
    "y": None,  # two numbers
    "p": None,  # two numbers
    "dy": None,  # two numbers: the gradient of the loss with respect to y
    "da": None,  # three numbers: the gradient with respect to each score
}

# %%
def softmax(x):
    return np.exp(x) / np.exp(x).sum()

def loss_of_y(y):
    return -np.log(softmax(y)[0])

def loss_of_scores(scores):
    return loss_of_y(softmax(scores) @ writes)

writes = 3 * np.log(2) * np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])  # of a, b, b
s = softmax(np.zeros(3))
y = s @ writes
by_differences = {"s": s, "y": y, "p": softmax(y),
                  "dy": gradcheck.central_differences(loss_of_y, y),
                  "da": gradcheck.central_differences(loss_of_scores, np.zeros(3))}

practice.check_numbers(paper, by_differences,
                       then="descent takes da from the scores: that at lag 3 rises, and the "
                            "others fall. Next: 03_multihead.py")

# %% [markdown]
# ## Hints
#
# 1. Three equal scores give three equal weights. The two entries of y come to ln 2 and
#    2 ln 2, in some order: their exponentials are 2 and 4, and p needs no calculator.
# 2. The gradient of −ln p of one letter with respect to y is p, less 1 at the letter
#    that comes. Its two entries sum to 0.
# 3. For each place take what it writes, less y: two numbers. Multiply them with dy,
#    entry by entry, add up, and multiply with the attention on this place. Whatever the
#    numbers are, the three results sum to 0.
