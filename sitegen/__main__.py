"""The program `sitegen`, and `python -m sitegen`."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main() -> int:
    """Run the command line; the exit code. Ctrl-C ends it quietly, while it is imported too."""
    try:
        from .cli import main

        return main()
    except KeyboardInterrupt:
        print("", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
