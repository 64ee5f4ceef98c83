"""A server and a Compose that stand in for the real ones, which come from the Internet.

The server has Pi-hole's ports: it answers every DNS query for an address with 192.0.2.53, over UDP
and TCP, and every HTTP request with a line. The plugin knows what our unit asks of Compose: ``up``
and ``stop``, for a file with one service, its image and its ports; ``docker`` itself, its proxy and
its packet filter are real.
"""

import io
import tarfile
from pathlib import Path
from typing import Final

from tests.support.tree import MTIME, Entry, File, program

IMAGE: Final = "stand-in:1"
_ARCHIVE: Final = "/usr/share/stand-in/image.tar"
_LIBRARY: Final = "usr/lib/x86_64-linux-gnu"
_LIBRARIES: Final = ("libc.so.6", "libcrypt.so.1", "libm.so.6")
_LOADER: Final = "ld-linux-x86-64.so.2"
_SERVER: Final = r"""
use strict;
use Socket;
sub answer {
  my $query = shift;
  my $end = index($query, "\0", 12) + 5;
  my $head = substr($query, 0, 2) . pack("n5", 0x8180, 1, 1, 0, 0);
  my $address = pack("n3Nn", 0xc00c, 1, 1, 60, 4) . inet_aton("192.0.2.53");
  return $head . substr($query, 12, $end - 12) . $address;
}
sub serve {
  my ($port, $reply) = @_;
  socket(my $server, PF_INET, SOCK_STREAM, 0) or die;
  bind($server, sockaddr_in($port, INADDR_ANY)) or die;
  listen($server, 8) or die;
  return if fork;
  while (accept(my $client, $server)) {
    sysread($client, my $request, 4096);
    syswrite($client, $reply->($request));
    close($client);
  }
}
my $page = "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nstand-in\n";
serve($_, sub { $page }) for 80, 443;
serve(53, sub { my $said = answer(substr(shift, 2)); pack("n", length $said) . $said });
socket(my $dns, PF_INET, SOCK_DGRAM, 0) or die;
bind($dns, sockaddr_in(53, INADDR_ANY)) or die;
while (1) {
  my $from = recv($dns, my $query, 512, 0) // next;
  send($dns, answer($query), 0, $from);
}
"""
_PLUGIN: Final = f"""\
#!/bin/sh
set -eu
if [ "$1" = docker-cli-plugin-metadata ]; then
  echo '{{"SchemaVersion": "0.1.0", "Vendor": "tests", "Version": "v2.0.0"}}'
  exit 0
fi
if [ "$2" = version ]; then exit 0; fi
[ "$2" = --project-name ]
name=$3 verb=$4
if [ "$verb" = stop ]; then exec docker stop "$name"; fi
[ "$verb" = up ]
image=$(sed -n 's/^ *image: *//p' compose.yaml)
ports=$(sed -n 's/^ *- "\\([0-9:]*\\/[a-z]*\\)"$/--publish \\1/p' compose.yaml)
docker image inspect "$image" >/dev/null 2>&1 ||
  docker import --change 'CMD ["/usr/bin/perl", "/server.pl"]' {_ARCHIVE} "$image"
if docker container inspect "$name" >/dev/null 2>&1; then exec docker start "$name"; fi
# The kernel has AppArmor, and Photon has not: the profile that docker would load is not there.
service=$(sed -n '/^services:/{{n;s/^ *\\([a-z]*\\):.*/\\1/p}}' compose.yaml)
exec docker run --detach --name "$name" --restart unless-stopped \\
  --label "com.docker.compose.project=$name" --label "com.docker.compose.service=$service" \\
  --security-opt apparmor=unconfined $ports "$image"
"""


def stand_ins(root: Path) -> dict[str, Entry]:
    """Return the image's archive and the plugin, made from the programs below ``root``."""
    return {
        _ARCHIVE: File(_archive(root)),
        "/usr/libexec/docker/cli-plugins/docker-compose": program(_PLUGIN),
    }


def _archive(root: Path) -> bytes:
    """Return a root with Perl, what it needs, and the server."""
    found = {f"{_LIBRARY}/{name}": root / _LIBRARY / name for name in _LIBRARIES}
    found["lib64/" + _LOADER] = root / _LIBRARY / _LOADER
    found["usr/bin/perl"] = root / "usr/bin/perl"
    modules = root / _LIBRARY / "perl-base"
    found |= {str(path.relative_to(root)): path for path in sorted(modules.rglob("*"))}
    contents = {name: path.read_bytes() for name, path in found.items() if path.is_file()}
    contents["server.pl"] = _SERVER.encode()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o755, MTIME
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()
