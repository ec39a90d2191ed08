"""What is found out beside the stages: it begins at once, and an error is raised where the answer is wanted."""

import threading

import pytest

from roost.adapters.registry import RegistryFailed
from roost.builds.beside import beside


def test_it_goes_on_beside_and_its_answer_is_waited_for() -> None:
    going, may = threading.Event(), threading.Event()

    def find() -> int:
        going.set()
        assert may.wait(20)
        return 7

    future = beside(find)
    assert going.wait(20), "it had not begun"
    may.set()
    assert (future.result(), future.result()) == (7, 7)


def test_an_error_is_raised_where_the_answer_is_wanted() -> None:
    def find() -> int:
        raise RegistryFailed("away")

    future = beside(find)
    with pytest.raises(RegistryFailed, match="away"):
        future.result()
