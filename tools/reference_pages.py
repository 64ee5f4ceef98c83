"""The parts of docs/reference.md about a spec as a whole and about what surrounds the program."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from builder import errors

SPEC = Path(__file__).with_name("reference_spec.md")
"""What is said of a spec besides its keys; ``{base}`` stands for the keys of that."""

ENVIRONMENT = {
    "PHOTON_BUILDER_OUTPUT": "Folder for artifacts without `--output`; `output` otherwise.",
    "PHOTON_BUILDER_CACHE": "Folder of downloads; `$XDG_CACHE_HOME/photon-builder`, or "
    "`~/.cache/photon-builder`, otherwise.",
    "PHOTON_BUILDER_MIRRORS": "Addresses, separated by commas, that are asked for published files "
    "instead of Photon's own servers, in this order.",
    "SOURCE_DATE_EPOCH": "Seconds since 1970 for every time that is written: the same bytes again.",
    "PHOTON_BUILDER_LOG": "`info` or `debug`: as `-v` or `--debug`.",
    "XDG_CACHE_HOME": "See PHOTON_BUILDER_CACHE.",
    "DOCKER_AUTH_CONFIG": "Credentials of registries, as JSON; see docs/containers.md.",
    "REGISTRY_AUTH_FILE": "A file with credentials of registries.",
    "XDG_RUNTIME_DIR": "`containers/auth.json` in it has credentials of registries.",
    "DOCKER_CONFIG": "`config.json` in it has credentials of registries; `~/.docker` otherwise.",
    "XDG_CONFIG_HOME": "Where `photon-builder/` lies with what `burn` may never write and the keys "
    "that it trusts; `~/.config` otherwise.",
    "SUDO_USER": "Under sudo, that user's settings for `burn` count, too.",
    "SUDO_UID": "Under sudo, that user's files may be in the cache.",
    "NO_COLOR": "Anything: no colour, as `--no-color`.",
    "TERM": "`dumb`: no colour.",
    "COLUMNS": "Width of the terminal, where it is not that of the terminal itself.",
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY": "Proxy for addresses of a kind, also in small letters.",
    "NO_PROXY": "Hosts that are asked without the proxy.",
    "REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE": "A file with the certificate authorities to trust for "
    "downloads, instead of those that Python's certifi carries.",
    "PATH": "Where qemu and other foreign tools are looked for; /usr/sbin and /sbin count, too.",
    "PYTHONIOENCODING": "Encoding of what is printed; that of the locale otherwise.",
    "PYTHONUTF8": "Set by the program where the locale is not UTF-8: names in specs are UTF-8.",
}
"""Variable to what it does."""

NETWORK = """\
A spec's own `{env: NAME}` reads any variable. Passwords for servers come from the address or from
`~/.netrc`, and go to that host alone. Under `sudo` most variables are dropped:
`sudo --preserve-env=NAME`. A proxy or a certificate authority for the machine that is built are
the keys `proxy` and `ca_certificates`.
"""


def spec_pages(base: str) -> str:
    """Return what is said of a spec besides its keys, with a table of those of ``base``."""
    return SPEC.read_text().replace("{base}", base)


def program_pages() -> Iterator[str]:
    """Yield what is said of the program: its environment and its exit codes."""
    yield "## Environment, proxies, certificates\n\n| variable | meaning |\n|---|---|"
    for names, text in ENVIRONMENT.items():
        shown = ", ".join(f"`{name}`" for name in names.split(", "))
        yield f"| {shown} | {text} |"
    yield f"\n{NETWORK}"
    yield "## Exit codes\n\n| code | means |\n|---|---|\n| 0 | Done. |"
    yield "| 1 | A bug of the program; of `diff`: the two differ. |"
    for code, texts in sorted(_exit_codes().items()):
        yield f"| {code} | {' '.join(texts)} |"
    yield "\n`make` ends with 2 whatever the program's code is, and prints that: `Error 3`.\n"


def _exit_codes() -> dict[int, list[str]]:
    """Return exit code to what the errors that have it mean, from the classes themselves."""
    found: dict[int, list[str]] = {}
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, errors.BuilderError):
            text = (kind.__doc__ or "").split(";")[0].strip().rstrip(".") + "."
            if kind is not errors.BuilderError:
                found.setdefault(kind.exit_code, []).append(text)
    return found
