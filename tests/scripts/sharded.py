"""Two processes of two devices that save a state in parts while they train, and restore what one and two have saved.

python sharded.py FOLDER
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from joined import INDEX, join
from sharded_state import assert_whole, placed, shardings, train

from epochal.core.processes import THIS
from epochal.engines.jax.sharded_files import restore, save
from epochal.storage.generation import Damaged
from epochal.storage.writer import BackgroundWriter

join()
folder, where = Path(sys.argv[1]), shardings((2, 2))

# One process has saved this
assert_whole(restore(folder / "one", json.loads((folder / "one.json").read_text()), where))

state, writer = placed(where), BackgroundWriter()
savings = []
for name in ("two", "two again"):
    savings.append(save(folder / name, state))
    writer.put(savings[-1].wait)
    train(state, steps=10)
    state = placed(where)
writer.close()
first, second = (saving.checksums for saving in savings)
assert first == second
assert_whole(restore(folder / "two", first, where))
replicated = save(folder / "replicated", placed(shardings((2, 2), {})))  # by the primary alone
replicated.wait()
assert replicated.checksums == first
assert_whole(restore(folder / "replicated", first, where))
if THIS.is_primary:
    (folder / "two.json").write_text(json.dumps(first))

# A bit flips in what the other process has written
if THIS.is_primary:
    data = max((folder / "two again").rglob("ocdbt.process_1/d/*"), key=lambda path: path.stat().st_size)
    content = bytearray(data.read_bytes())
    content[1000] ^= 1
    data.write_bytes(content)
THIS.exchange("flipped", "")
try:
    restore(folder / "two again", second, where)
except Damaged as damage:
    print(damage)

# One process can't write: the others hear why
(folder / f"full {INDEX}").mkdir()
THIS.exchange("made", "")
try:
    save(folder / "full 0", state)
except OSError as error:
    print(error)
