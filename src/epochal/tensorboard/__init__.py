"""TensorBoard's files: events, summaries, graphs and the projector's tables. Importing a module here needs `tensorboard`."""
