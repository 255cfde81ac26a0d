"""Models of many layers: how the time to draw, save and load them grows with their number."""

import tempfile
import time
from pathlib import Path

from benchmarks.contest import best_of, report
from epochal.layers import Dense, Input
from epochal.models import Model, Sequential, load_model

FEW, MANY, ROUNDS = 150, 600, 2


def in_a_row(number):
    model = Sequential([Input((4,))])
    for _ in range(number):
        model.add(Dense(4))
    return model


def drawn(number):
    first = last = Input((4,))
    for _ in range(number // 2):
        last = Dense(4)(last) + last
    return Model(first, last)


def seconds(work):
    def run():
        started = time.process_time()
        work()
        return time.process_time() - started

    return run


def main():
    with tempfile.TemporaryDirectory() as folder:
        for make in (in_a_row, drawn):
            models = {number: make(number) for number in (FEW, MANY)}
            path = {number: Path(folder) / f"{make.__name__}{number}.h5" for number in models}
            work = {
                "draw": make,
                "save": lambda number, models=models, path=path: models[number].save(path[number]),
                "load": lambda number, path=path: load_model(path[number]),
                "summary": lambda number, models=models: models[number].summary(lambda line: None),
            }
            for name, do in work.items():
                best = best_of({number: seconds(lambda n=number, do=do: do(n)) for number in models}, ROUNDS)
                print(f"{make.__name__}, {name}: {best[FEW] / FEW * 1e3:.2f} ms a layer of {FEW}")
                report(f"of {MANY} layers, each / of {FEW}", best[MANY] / MANY / (best[FEW] / FEW), 1.5)
