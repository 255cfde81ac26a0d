"""Nothing: what a program imports of `keras.applications` from here is an error that says what to do."""

from typing import TYPE_CHECKING

from .messages.missing import missing_names

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, ())
