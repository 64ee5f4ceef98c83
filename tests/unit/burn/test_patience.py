"""How long a device is waited for, with requests that take as long as the test wants."""

import errno
import threading
import time
from collections.abc import Callable

import pytest

from builder.burn.patience import Patience, Step


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.burn.patience.SECONDS", 0.2)


class Device:
    """What a patient caller sees of a device."""

    def __init__(self) -> None:
        self.softened = 0
        self.said: list[str] = []
        self.patience = Patience(self.soften)
        self.patience.complain = self.said.append

    def soften(self) -> None:
        self.softened += 1


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


def test_a_quick_request_changes_nothing() -> None:
    device = Device()
    device.patience.ask(late(0, None))
    assert (device.patience.step, device.said) == (Step.AS_USUAL, [])


def test_a_quick_failure_is_the_kernels_and_is_not_tried_again() -> None:
    device = Device()
    request = late(0, OSError(errno.EIO, "broken"), None)
    with pytest.raises(OSError, match="broken"):
        device.patience.ask(request)
    assert device.patience.step is Step.AS_USUAL


def test_a_failure_after_a_silence_is_tried_again_more_gently() -> None:
    device = Device()
    device.patience.ask(late(0.3, OSError(errno.EIO, "broken"), None))
    assert device.patience.step is Step.ONE_AT_A_TIME
    assert device.said == ["no answer for 0 s: asking for one thing at a time from now on"]


def test_a_failure_that_stays_is_the_kernels() -> None:
    device = Device()
    request = late(0.3, OSError(errno.EIO, "broken"), OSError(errno.EIO, "still broken"))
    with pytest.raises(OSError, match="still broken"):
        device.patience.ask(request)


def test_after_a_silence_one_request_is_made_at_a_time() -> None:
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
        threads = [threading.Thread(target=device.patience.ask, args=(request,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return most

    assert ask_thrice() > 1
    device.patience.ask(late(0.3, None))
    assert ask_thrice() == 1


def test_two_requests_that_are_silent_together_take_one_step() -> None:
    device = Device()
    threads = [
        threading.Thread(target=device.patience.ask, args=(late(0.3, None),)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert device.patience.step is Step.ONE_AT_A_TIME
    assert len(device.said) == 1


def test_a_device_that_is_silent_for_good_is_left_behind() -> None:
    device, answers = Device(), threading.Event()
    try:
        with pytest.raises(TimeoutError):
            device.patience.ask(lambda: answers.wait(30))
        assert (device.patience.step, device.softened) == (Step.GIVEN_UP, 1)
        with pytest.raises(TimeoutError):
            device.patience.ask(late(0, None))
    finally:
        answers.set()


def test_what_may_take_long_is_waited_for_longer_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device, answers = Device(), threading.Event()
    device.patience.ask_long(late(0.9, None))
    assert device.patience.step is Step.AS_USUAL
    assert device.said[-1].endswith("waiting on")
    monkeypatch.setattr("builder.burn.patience.SECONDS", 0.02)
    try:
        with pytest.raises(TimeoutError):
            device.patience.ask_long(lambda: answers.wait(30))
    finally:
        answers.set()


def test_threads_that_wait_for_requests_end() -> None:
    before = threading.active_count()
    device = Device()
    for _ in range(5):
        device.patience.ask(late(0, None))
    assert threading.active_count() == before + 1
    device.patience.end()
    time.sleep(0.2)
    assert threading.active_count() == before
