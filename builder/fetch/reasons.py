"""Short reasons for exceptions of requests and urllib3, whose messages hold whole addresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from builder.fetch.wire import MirrorError, TransientError

if TYPE_CHECKING:
    import requests


@contextmanager
def translated() -> Iterator[None]:
    """Turn exceptions of requests and urllib3 into transient or mirror errors."""
    import requests
    import urllib3.exceptions as wire

    try:
        yield
    except (requests.ReadTimeout, wire.ReadTimeoutError) as error:
        raise TransientError("it stopped answering") from error
    except requests.ConnectionError as error:
        raise _broken_connection(error) from error
    except (requests.exceptions.ChunkedEncodingError, wire.HTTPError) as error:
        raise TransientError("the connection broke") from error
    except requests.RequestException as error:
        raise _unsent(error) from error


def _unsent(error: "requests.RequestException") -> MirrorError:
    """Return the reason for a request that was never sent."""
    from requests import exceptions

    match error:
        case exceptions.InvalidProxyURL():
            return MirrorError("the address of the proxy is not valid")
        case exceptions.InvalidURL() | exceptions.InvalidSchema() | exceptions.MissingSchema():
            return MirrorError("it is not a valid address")
        case _:
            return MirrorError(f"the exchange failed ({type(error).__name__})")


def _broken_connection(error: "requests.ConnectionError") -> MirrorError:
    """Return the reason for a connection that failed: refused for good, or broken meanwhile."""
    from requests import exceptions

    match error:
        case exceptions.ConnectTimeout():
            return MirrorError("connection timed out")
        case exceptions.SSLError():
            return MirrorError(f"no secure connection ({_cause(error)})")
        case exceptions.ProxyError():
            return MirrorError(f"the proxy does not work ({_cause(error)})")
        case _:
            return _broken_transfer(error)


def _broken_transfer(error: "requests.ConnectionError") -> MirrorError:
    """Return the reason for a connection that was refused, or broke when it stood."""
    import urllib3.exceptions as wire

    reason = getattr(error.args[0], "reason", None) if error.args else None
    match reason:
        case wire.NameResolutionError():
            return MirrorError("cannot resolve the host name: check the network")
        case wire.NewConnectionError():
            return MirrorError(f"no connection ({_cause(error)})")
        case _:
            return TransientError("the connection broke")


def _cause(error: BaseException) -> str:
    """Return the innermost message of an error."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error)
