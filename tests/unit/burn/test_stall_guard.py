"""Requests that stall: degraded, retried, given up."""

import errno
import threading
import time
from collections.abc import Callable

import pytest

from builder.burn.stall_guard import RequestMode, StallGuard


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.burn.stall_guard.TIMEOUT_SECONDS", 0.2)


class Device:
    """A device as the guard sees it."""

    def __init__(self) -> None:
        self.fallbacks = 0
        self.said: list[str] = []
        self.guard = StallGuard(self.fall_back, self.said.append)

    def fall_back(self) -> None:
        self.fallbacks += 1


def late(seconds: float, *outcomes: OSError | None) -> Callable[[], None]:
    """Return a request whose first try takes that long, and that ends so each time."""
    left = list(outcomes)

    def request() -> None:
        if len(left) == len(outcomes):
            time.sleep(seconds)
        outcome = left.pop(0)
        if outcome is not None:
            raise outcome

    return request


def test_a_quick_request_degrades_nothing() -> None:
    device = Device()
    device.guard.request(late(0, None))
    assert (device.guard.mode, device.said) == (RequestMode.NORMAL, [])


def test_an_error_without_a_stall_is_raised_and_not_retried() -> None:
    device = Device()
    request = late(0, OSError(errno.EIO, "broken"), None)
    with pytest.raises(OSError, match="broken"):
        device.guard.request(request)
    assert device.guard.mode is RequestMode.NORMAL


def test_an_error_after_a_stall_is_retried_in_serial_mode() -> None:
    device = Device()
    device.guard.request(late(0.3, OSError(errno.EIO, "broken"), None))
    assert device.guard.mode is RequestMode.SERIAL
    assert device.said == ["no answer for 0 s: one request at a time from now on"]


def test_an_error_that_persists_after_a_stall_is_raised() -> None:
    device = Device()
    request = late(0.3, OSError(errno.EIO, "broken"), OSError(errno.EIO, "still broken"))
    with pytest.raises(OSError, match="still broken"):
        device.guard.request(request)


def test_after_a_stall_requests_are_made_one_at_a_time() -> None:
    device = Device()
    at_once, most, lock = 0, 0, threading.Lock()

    def request() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1

    def ask_thrice() -> int:
        nonlocal most
        most = 0
        threads = [threading.Thread(target=device.guard.request, args=(request,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return most

    assert ask_thrice() > 1
    device.guard.request(late(0.3, None))
    assert ask_thrice() == 1


def test_two_requests_that_stall_together_degrade_once() -> None:
    device = Device()
    threads = [
        threading.Thread(target=device.guard.request, args=(late(0.3, None),)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert device.guard.mode is RequestMode.SERIAL
    assert len(device.said) == 1


def test_a_device_that_never_answers_is_given_up() -> None:
    device, answers = Device(), threading.Event()
    try:
        with pytest.raises(TimeoutError):
            device.guard.request(lambda: answers.wait(30))
        assert (device.guard.mode, device.fallbacks) == (RequestMode.FAILED, 1)
        with pytest.raises(TimeoutError):
            device.guard.request(late(0, None))
    finally:
        answers.set()


def test_a_long_request_has_a_longer_timeout_and_degrades_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device, answers = Device(), threading.Event()
    device.guard.request_long(late(0.9, None))
    assert device.guard.mode is RequestMode.NORMAL
    assert device.said[-1].endswith("still waiting")
    monkeypatch.setattr("builder.burn.stall_guard.TIMEOUT_SECONDS", 0.02)
    try:
        with pytest.raises(TimeoutError):
            device.guard.request_long(lambda: answers.wait(30))
    finally:
        answers.set()


def test_idle_threads_end_when_the_guard_is_closed() -> None:
    before = threading.active_count()
    device = Device()
    for _ in range(5):
        device.guard.request(late(0, None))
    assert threading.active_count() == before + 1
    device.guard.close()
    time.sleep(0.2)
    assert threading.active_count() == before
