"""What training is, without any framework: hooks, cadences, logs, the loop and the state of a run."""
