"""Signals while a step is trained."""
import signal

import pytest

from toy_runs import send
from training.signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_only_remembered_and_the_handlers_come_back(number):
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert stop.received is None
        send(number)()
        assert stop.received == number
    assert signal.getsignal(number) == before


def test_a_second_sigint_interrupts():
    with StopSignals() as stop, pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)()
        send(signal.SIGTERM)()  # of train.sh: it remains a SIGINT
        assert stop.received == signal.SIGINT
        send(signal.SIGINT)()


def test_sigterm_never_interrupts():
    with StopSignals() as stop:
        send(signal.SIGTERM)()
        send(signal.SIGINT)()
        send(signal.SIGTERM)()
        assert stop.received == signal.SIGTERM
