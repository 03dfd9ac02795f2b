"""Signals that tell a program to stop: as exceptions, and held back while something must not be interrupted."""

import os
import signal
import sys

import pytest

from inkread._signals import signals_as_exceptions, signals_held_back

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a program can handle")


def test_a_signal_is_held_back_until_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(SystemExit) as stopped, signals_as_exceptions():
        with signals_held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("half")
            done.append("whole")
        done.append("after")
    assert done == ["half", "whole"] and stopped.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_handlers_are_as_before_where_no_signal_came() -> None:
    with signals_as_exceptions():
        handler = signal.getsignal(signal.SIGTERM)
        with signals_held_back():
            assert signal.getsignal(signal.SIGTERM) is not handler
        assert signal.getsignal(signal.SIGTERM) is handler
