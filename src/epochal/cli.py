"""The command `epochal`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from .messages.extras import needed_by
from .messages.printing import say


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
    parser.set_defaults(run=_monitor)


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
            serve(options.host, options.port, options.db, token, say=say)
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _version() -> str:
    try:
        return version("epochal")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
