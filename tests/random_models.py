"""Every setting of every model drawn at random, every parameter's gradient checked: python tests/random_models.py [--runs 200]

Sizes go down to 1, where an axis that is summed, broadcast or dropped by mistake shows. What fails is named with the
settings and the seed that draw it again: `draw(name, seed)`.
"""

import argparse
import sys
import time
from typing import NamedTuple

import numpy as np

from tinyattn import gradcheck, models
