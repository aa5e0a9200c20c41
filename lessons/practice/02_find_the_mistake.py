# %% [markdown]
# # Practice: find the mistake
#
# **Question.** You see which gradients are wrong, and by how much. Which line is it?
#
# **Takes** 20 minutes, medium. **After** lesson 02.

# %%
import practice

# %% [markdown]
# ## Given: five broken backwards
#
# An attention layer with input x, a row for each token, and four matrices:
#
#     q = x W_Q      k = x W_K      v = x W_V
#     a = q kᵀ / √K      s = softmax(a)      y = (s v) W_O
#
# Here x holds two sequences of four tokens, and there are three heads, with queries of
# K = 5 numbers. Backward goes through these lines from the last to the first, and ends
# in five gradients: dx, dW_Q, dW_K, dW_V, dW_O. Somebody has broken it five times, each
# time with one mistake. Run this file: it prints eight mistakes with a letter each, and
# for each broken backward how far every gradient is off. An error is |one − other|
# divided by |one| + |other|: below 1e-7 it is right.
#
# ## Yours
#
# Write the letter of its mistake for each of the five.

# %%
answers = {1: None, 2: None, 3: None, 4: None, 5: None}  # such as 1: "a"

# %%
practice.check_diagnoses(answers,
                         then="such a table is what a wrong backward of your own looks like. "
                              "Next: 03_attend.py")

# %% [markdown]
# ## Hints
#
# 1. Backward comes to dW_O first, then to s and v. What it has computed before it came
#    to the mistake is right. So which gradients are right tells how far it came.
# 2. Where the same gradients are wrong for two mistakes, look at the numbers. Divide
#    the one by hand by the one by differences: −1 is a sign, another fixed number a
#    factor, no fixed number something that was left out or mixed up.
# 3. x is used three times and a matrix once. If dx alone is wrong, a use of x is
#    missing. If dx and one of dW_Q, dW_K, dW_V are wrong, look at that branch. If
#    matrices are wrong and dx is right, it is in the backward of a product such as
#    x W_Q, which all branches share.
