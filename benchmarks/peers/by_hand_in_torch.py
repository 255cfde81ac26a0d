"""A loop in plain PyTorch, eager or with a compiled network; batches are slices of tensors."""

import torch

from benchmarks.peers import torch_nets
from benchmarks.peers.fits import Record


def eager(task, data, compile_=lambda net: net):
    data, net = torch_nets.tensors(task, data), torch_nets.network(task)
    optimizer = torch_nets.optimizer(net)
    forward = compile_(net)
    train = torch_nets.Batches(data["x"], data["y"], task.batch)
    held_out = torch_nets.Batches(data["val_x"], data["val_y"], task.batch, shuffle=False)

    @torch.no_grad()
    def validate():
        net.eval()
        losses = [torch_nets.loss_of(forward(x), y) for x, y in held_out]
        net.train()
        return torch.stack(losses).mean().item()

    def run(epochs, variant, folder):
        record, kept = Record(), []
        for epoch in range(epochs):
            total = torch.zeros(())
            for x, y in train:
                loss = torch_nets.loss_of(forward(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.detach()
                if variant == "losses":
                    kept.append(loss.item())
            if variant == "validation":
                record.val_losses.append(validate())
            if variant == "checkpoint":
                state = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save(state, folder / f"{epoch}.pt")
            record.ended(total.item() / len(train))
        record.kept = len(kept)
        return record

    return run


def compiled(task, data):
    return eager(task, data, torch.compile)
