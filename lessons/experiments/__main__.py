"""Run an experiment from the shell: python lessons/experiments ladder --heads 4, see command.py."""

import os
import sys
from pathlib import Path

# Read when NumPy is loaded: passes run side by side instead.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if __name__ == "__main__":
    # So that modules have the names that a lesson gives them.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from experiments.command import main
    from tinyattn.terminal import open_output

    open_output()
    sys.exit(main())
