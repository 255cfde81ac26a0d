"""Where the progress of a training is shown: a terminal, a notebook, or lines in a pipe or a file."""
