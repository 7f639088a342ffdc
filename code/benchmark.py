"""Times a network on this machine. `python benchmark.py --help` says how."""
import signal
import sys
from pathlib import Path

import cli
import config
import registry
from output import check_writable
from timing.compare import benchmark
from timing.rows import rows


def main() -> int:
    parser = cli.Parser(
        description="Time training and prediction on this machine, on images of random pixels: "
                    "whole steps in every implementation, their parts, and how cost grows. The "
                    "whole table takes 20 minutes or more.",
        epilog="example: python benchmark.py --rows 'batch *'")
    of_networks = registry.settings("model.networks")
    settings = {name: config.TRAIN[name] for name in ("MODEL", *of_networks, "BATCH_SIZE")}
    parser.add_settings("network", settings)
    table = parser.add_argument_group("table")
    table.add_argument("--quick", action="store_true",
                       help="only the headline: default, direct and naive")
    table.add_argument("--rows", default="*", metavar="PATTERN",
                       help="only rows whose name matches it, * being any text as in a shell")
    table.add_argument("--repeats", type=int, default=5, metavar="N",
                       help="turns of each row (default 5)")
    table.add_argument("--json", type=cli.path, metavar="FILE", help="write every number to FILE")
    given, args = parser.parse(settings)

    # Refuse what cannot work before anything starts.
    chosen = rows(args.quick, args.rows)
    if not chosen:
        parser.error(f"--rows: expected a pattern for some of {', '.join(rows(args.quick))}, "
                     f"received {args.rows}")
    if args.repeats < 1:
        parser.error(f"--repeats: expected 1 or more, received {args.repeats}")
    if args.json:
        check_writable("--json", Path(args.json))

    # SIGTERM ends this process as an exception would, and with it those of the rows.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    defaults = {name: setting.default for name, setting in settings.items()}
    benchmark(chosen, {**defaults, **given}, args.repeats, args.json)
    return 0


if __name__ == "__main__":
    cli.run(main)
