# %% [markdown]
# # A lesson's title
#
# One sentence of cause: what makes it happen.
#
# **Question.** What does a reader want to know?
#
# **You see** what the figure shows. **Takes** 1 second.

# %%
import numpy as np

import lesson
from drawings import template as draw

run = lesson.start("template")

# %% [markdown]
# ## 1. A number before a formula
#
# Half of 1 is 0.5, half of that 0.25; after n halvings
#
#     y = 1 / 2ⁿ
#
# **Predict.** After how many is y below a thousandth?

# %%
n = np.arange(12)
y = 0.5**n
run.figure(draw.halves(n, y), "halves")
run.claim("ten halvings bring 1 below a thousandth", y[9] > 0.001 > y[10])
run.compare([("after ten halvings", "1/1024", f"1/{1 / y[10]:g}")], before="on paper")
run.finish({"halvings": len(n)}, last=y[-1])

# %% [markdown]
# ## Exercises
#
# 1. An easy one.
# 2. One that needs the figure.
# 3. One that needs a new run.

# %% [markdown]
# ## Answers
#
# 1. With its number.
# 2. With what to look at.
# 3. With what came out, at which size.
