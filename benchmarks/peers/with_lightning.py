"""Lightning's Trainer on the CPU, without its progress bar, logger and summary.

It needs a DataLoader. The cheapest one for tensors in memory: its sampler yields whole batches of row numbers, so that
a batch is one indexing, in the process itself.
"""

import logging
import warnings

import lightning as L
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

from benchmarks.peers import torch_nets
from benchmarks.peers.fits import Record


class Net(L.LightningModule):
    def __init__(self, task):
        super().__init__()
        self.net = torch_nets.network(task)

    def training_step(self, batch, number):
        loss = torch_nets.loss_of(self.net(batch[0]), batch[1])
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, number):
        self.log("val_loss", torch_nets.loss_of(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch_nets.optimizer(self)


class Losses(Callback):
    def on_train_start(self, trainer, module):
        self.losses = []

    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        self.losses.append(outputs["loss"].item())


class Clock(Callback):
    def __init__(self, record):
        self.record = record

    def on_validation_epoch_end(self, trainer, module):
        self.record.val_losses.append(trainer.callback_metrics["val_loss"].item())

    def on_train_epoch_end(self, trainer, module):
        self.record.ended(trainer.callback_metrics["loss"])


def loader(x, y, batch, sampler):
    dataset = TensorDataset(x, y)
    return DataLoader(dataset, batch_size=None, sampler=BatchSampler(sampler(dataset), batch, drop_last=False))


def lightning(task, data):
    warnings.filterwarnings("ignore", module="lightning")  # advice: more workers, a logger
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    data, net = torch_nets.tensors(task, data), Net(task)
    train = loader(data["x"], data["y"], task.batch, RandomSampler)
    held_out = loader(data["val_x"], data["val_y"], task.batch, SequentialSampler)

    def run(epochs, variant, folder):
        record, losses = Record(), Losses()
        added = {"losses": [losses], "checkpoint": [ModelCheckpoint(folder, save_top_k=-1)]}.get(variant, [])
        trainer = L.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=variant == "checkpoint",
            num_sanity_val_steps=0,
            callbacks=[*added, Clock(record)],
        )
        trainer.fit(net, train, held_out if variant == "validation" else None)
        record.kept = len(losses.losses) if variant == "losses" else 0
        return record

    return run
