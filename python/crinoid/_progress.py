"""How far a build is, on one line of a terminal."""

import sys


def listener():
    """A function of (done, total) that draws a line on the terminal; None where there is none."""
    if not sys.stderr.isatty():
        return None

    def draw(done, total):
        share = done / total if total else 0.0
        end = "\n" if done == total else ""
        print(f"\rcrinoid: {share:4.0%} of {total:,}", end=end, file=sys.stderr, flush=True)

    return draw
