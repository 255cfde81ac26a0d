"""TensorBoard's files: events, summaries, graphs, the projector's tables. The modules here need `tensorboard`."""
