"""Mistakes that type checkers find in a user's script, each in a line that says so."""

from epochal.callbacks import BackupAndRestore, EarlyStopping, Every
from epochal.layers import Dense
from epochal.models import Sequential

EarlyStopping(patience="three")  # wrong
EarlyStopping(patiense=3)  # wrong
BackupAndRestore(None)  # wrong
Every("batch", 3)  # wrong
model = Sequential([Dense(2)])
model.fit(epochs="2")  # wrong
model.fitt()  # wrong
history = model.fit()
history.history["loss"].upper()  # wrong
