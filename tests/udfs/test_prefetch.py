"""Work ahead of its consumer: in order, within bounds, and never lost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from udfs.embed.prefetch import map_ahead, run_ahead


def test_results_come_in_order_whoever_finishes_first():
    def work(number):
        time.sleep(0.002 * (number % 3))
        return number * 2

    with ThreadPoolExecutor(4) as pool:
        assert list(map_ahead(pool, work, range(30), ahead=8)) == [number * 2 for number in range(30)]


def test_no_more_than_the_bound_is_begun_before_something_is_taken():
    begun = []
    with ThreadPoolExecutor(2) as pool:
        results = map_ahead(pool, begun.append, iter(range(100)), ahead=5)
        next(results)
        time.sleep(0.05)
        assert len(begun) == 5
        assert len(list(results)) == 99


def test_an_error_of_the_work_reaches_the_consumer():
    with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
        list(map_ahead(pool, lambda number: 1 // number, [1, 0], ahead=4))


def test_making_goes_on_while_the_consumer_works():
    made_in = []

    def items():
        for number in range(3):
            made_in.append(threading.current_thread().name)
            yield number

    assert list(run_ahead(items())) == [0, 1, 2]
    assert threading.current_thread().name not in made_in


def test_an_error_of_the_maker_reaches_the_consumer_after_what_was_made():
    def items():
        yield 1
        raise OSError("gone")

    results = run_ahead(items())
    assert next(results) == 1
    with pytest.raises(OSError, match="gone"):
        next(results)


def test_a_consumer_that_stops_ends_the_maker():
    made = []

    def items():
        for number in range(1000):
            made.append(number)
            yield number

    results = run_ahead(items())
    next(results)
    results.close()
    stopped_at = len(made)
    time.sleep(0.3)
    assert len(made) == stopped_at < 10
