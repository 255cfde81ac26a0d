"""The command `epochal`."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .messages.extras import needed_by
from .messages.printing import say
from .storage.files import write_durably


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 after an error, which is printed.

    Args:
        arguments: What stands behind `epochal` on the command line; by default what the process was given.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (OSError, ValueError) as error:
        print(f"epochal {options.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="epochal", description="Training callbacks, and what goes with them.")
    parser.add_argument("--version", action="version", version=f"epochal {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    about = "Watch runs in the browser: a server for what RemoteMonitor posts, and its page."
    monitor = commands.add_parser(
        "monitor", help=about, description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    _add_monitor_options(monitor)
    _add_monitor_commands(monitor)
    return parser


def _add_monitor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; any that others can reach needs a token"
    )
    parser.add_argument("--port", type=_port, default=9000, help="port to listen on; 0 takes a free one")
    parser.add_argument("--db", default="epochal-monitor.db", metavar="FILE", help="SQLite file that keeps the runs")
    parser.add_argument(
        "--token",
        default=argparse.SUPPRESS,
        help="what clients must bring; also read from EPOCHAL_MONITOR_TOKEN, where `ps` doesn't show it",
    )
    parser.add_argument(
        "--keep",
        type=_days,
        default=argparse.SUPPRESS,
        metavar="DAYS",
        help="delete runs last heard of so many days ago, at the start and once an hour; archived ones stay",
    )
    parser.set_defaults(run=_monitor)


def _add_monitor_commands(monitor: argparse.ArgumentParser) -> None:
    commands = monitor.add_subparsers(dest="action", title="without serving", metavar="[backup | export | import]")
    backup = commands.add_parser("backup", help="copy the file, while a monitor has it too")
    backup.add_argument("file", type=Path, help="where to")
    backup.set_defaults(run=_backup)
    export = commands.add_parser("export", help="write runs as text, for another monitor, while one has them too")
    export.add_argument("file", type=Path, help="where to")
    export.add_argument("runs", nargs="*", metavar="RUN", help="the ids of runs; all if none is named")
    export.set_defaults(run=_export)
    take_in = commands.add_parser("import", help="add runs that were exported; no monitor may have the file meanwhile")
    take_in.add_argument("files", type=Path, nargs="+", metavar="FILE", help="what was exported")
    take_in.set_defaults(run=_import)
    for command in (backup, export, take_in):
        command.add_argument("--db", default=argparse.SUPPRESS, metavar="FILE", help="SQLite file that keeps the runs")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days < 1e6:
        raise argparse.ArgumentTypeError(f"DAYS is a number above 0; got {text!r}")
    return days


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535; got {text!r}")
    return int(text)


def _monitor(options: argparse.Namespace) -> int:
    try:
        with needed_by("epochal monitor"):
            from .monitor.server import serve

        token = getattr(options, "token", os.environ.get("EPOCHAL_MONITOR_TOKEN"))
        with needed_by("epochal monitor"):
            serve(options.host, options.port, options.db, token, getattr(options, "keep", None), say=say)
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _backup(options: argparse.Namespace) -> int:
    from .monitor.backup import copy_file

    _check_other(options.file, options.db)
    write_durably(options.file, lambda path: copy_file(options.db, path))
    say(f"{options.file}: {options.file.stat().st_size:,} bytes")
    return 0


def _export(options: argparse.Namespace) -> int:
    from .monitor.backup import reading
    from .monitor.transfer import lines_of

    def write(path: Path) -> None:
        with reading(options.db) as db, open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines_of(db, options.runs))

    _check_other(options.file, options.db)
    write_durably(options.file, write)
    say(f"{options.file}: {options.file.stat().st_size:,} bytes")
    return 0


def _import(options: argparse.Namespace) -> int:
    from .monitor.store import Store

    with closing(Store(options.db)) as store:
        for file in options.files:
            try:
                with open(file, "rb") as lines:
                    ids = store.take_in(lines)
            except (ValueError, sqlite3.Error) as error:
                raise ValueError(f"{file} adds nothing to {options.db}: {error}") from None
            say(f"{file}: {', '.join(ids)}")
    return 0


def _check_other(file: Path, db: str) -> None:
    if file.exists() and Path(db).exists() and file.samefile(db):
        raise ValueError(f"{file} is the file of runs itself: name another one to write to.")


def _version() -> str:
    try:
        return version("epochal")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
