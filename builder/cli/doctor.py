"""The command ``doctor``."""

import click

from builder.cli.answers import write_result
from builder.cli.options import default_output, json_option
from builder.structs import asdict


@click.command()
@json_option
def doctor(*, as_json: bool) -> int:
    """Check this host for required and optional programs, and print how to install them."""
    from builder.cache import Cache
    from builder.doctor import examine

    found = list(examine(Cache().directory, default_output()))
    text = ""
    for row in found:
        mark = "ok" if row.good else "LACKS" if row.needed else "without"
        remedy = f"  → {row.remedy}" if row.remedy and not row.good else ""
        text += f"{mark:<8} {row.name}: {row.found}{remedy}\n"
    write_result("doctor", {"rows": [asdict(row) for row in found]}, as_json=as_json, text=text)
    return 0 if all(row.good for row in found if row.needed) else 9
