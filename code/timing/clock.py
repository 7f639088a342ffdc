"""Milliseconds of a call."""
import statistics
import time
from collections.abc import Callable


def timed(call: Callable) -> float:
    """-> ms of one call"""
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def median_ms(call: Callable) -> float:
    """-> ms of a call: the median of as many as take half a second.

    There are at least three, unless they are slow.
    """
    times = []
    while sum(times) < 500 or (len(times) < 3 and sum(times) < 3000):
        times.append(timed(call))
    return statistics.median(times)
