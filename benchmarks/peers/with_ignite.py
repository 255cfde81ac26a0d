"""Ignite's engines, on batches that are slices of tensors."""

import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver
from ignite.metrics import Average

from benchmarks.peers import torch_nets
from benchmarks.peers.fits import Record


def ignite(task, data):
    data, net = torch_nets.tensors(task, data), torch_nets.network(task)
    optimizer = torch_nets.optimizer(net)
    train = torch_nets.Batches(data["x"], data["y"], task.batch)
    held_out = torch_nets.Batches(data["val_x"], data["val_y"], task.batch, shuffle=False)

    def update(engine, batch):
        loss = torch_nets.loss_of(net(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(engine, batch):
        return torch_nets.loss_of(net(batch[0]), batch[1])

    def run(epochs, variant, folder):
        record, kept = Record(), []
        trainer, evaluator = Engine(update), Engine(evaluate)
        Average().attach(trainer, "loss")
        Average().attach(evaluator, "loss")
        if variant == "losses":
            trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: kept.append(trainer.state.output.item()))
        if variant == "validation":

            @trainer.on(Events.EPOCH_COMPLETED)
            def validate():
                net.eval()
                record.val_losses.append(float(evaluator.run(held_out).metrics["loss"]))
                net.train()

        if variant == "checkpoint":
            saved = {"model": net, "optimizer": optimizer}
            checkpoint = Checkpoint(saved, DiskSaver(folder, create_dir=False), n_saved=None)
            trainer.add_event_handler(Events.EPOCH_COMPLETED, checkpoint)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: record.ended(trainer.state.metrics["loss"]))
        trainer.run(train, max_epochs=epochs)
        record.kept = len(kept)
        return record

    return run
