"""Compose files that compose itself refuses, and files in every form that it takes.

What compose takes was found out with compose-go 2.4.8, the library by which compose 2.33.1 reads
its files; docker-compose of the distribution judges what its older release knows, too.
"""

from pathlib import Path

import pytest

from builder.errors import Diagnostic, Severity
from tests.support.judges import judge
from tests.unit.test_rules import LOGIN, check

APP = "services:\n  a:\n    image: x:1.2.3\n    restart: always\n"
OTHER = "  b:\n    image: x:1.2.3\n    restart: always\n"


def found_in(
    folder: Path, compose: str, *, env: str = "{}", **files: str
) -> tuple[Diagnostic, ...]:
    """Return what the rules say of one project; other files have their dots as `__`."""
    overlay = LOGIN + f"compose: {{app: {{file: app/c.yaml, env: {env}}}}}"
    beside = {f"app/{name.replace('__', '.')}": text for name, text in files.items()}
    return check(folder, overlay, files={"app/c.yaml": compose, **beside})


REFUSED = [
    ("CMP030", APP + "    imgae: x", (5, 5), "did you mean `image`?"),
    ("CMP030", APP + "    depend_on: [a]", (5, 5), "did you mean `depends_on`?"),
    ("CMP030", APP + "    healthcheck: {tset: x}", (5, 19), "did you mean `test`?"),
    ("CMP030", APP + "    models: [llm]", (5, 5), "drop `models`"),
    ("CMP030", APP + "network: {}", (5, 1), "did you mean `networks`?"),
    ("CMP030", APP + "    deploy: {resources: {limit: {cpus: 1}}}", (5, 26), "`limits`"),
    ("CMP030", APP + "    networks: {default: {ipv4: 10.0.0.1}}", (5, 26), "ipv4_address"),
    ("CMP031", APP + "    environment: [1]", (5, 19), "quotes"),
    ("CMP031", APP + "    environment:", (5, 17), "drop the key"),
    ("CMP031", APP + "    healthcheck: {interval: 30}", (5, 29), "30s"),
    ("CMP031", APP + "    healthcheck: {interval: 30sec}", (5, 29), "30s"),
    ("CMP031", APP + "    stop_grace_period: '10'", (5, 24), "30s"),
    ("CMP031", APP + "    mem_limit: 512mbytes", (5, 16), "512m"),
    ("CMP031", APP + "    deploy: {resources: {limits: {memory: 50}}}", (5, 43), "quotes"),
    ("CMP031", APP.replace("always", "sometimes"), (4, 14), "unless-stopped"),
    ("CMP031", APP.replace("always", "false"), (4, 14), "unless-stopped"),
    ("CMP031", APP + "    privileged: maybe", (5, 17), "true or false"),
    ("CMP031", APP + "    volumes: ['./a:b:c:d']", (5, 15), "SOURCE:TARGET"),
    ("CMP031", APP + "    volumes: [{source: ./a, target: /a}]", (5, 15), "add `type: …`"),
    ("CMP031", APP + "    ports: [{published: 80}]", (5, 13), "add `target: …`"),
    ("CMP031", APP + "    depends_on: {b: {}}\n" + OTHER, (5, 18), "add `condition: …`"),
    ("CMP031", APP + "    ulimits: {nofile: {soft: 1}}", (5, 15), "add `hard: …`"),
    ("CMP031", APP + "volumes: [data]", (5, 10), "without dashes"),
    ("CMP031", APP + "    pull_policy: daily", (5, 18), ""),
    ("CMP031", "services:\n  a: 5\n", (2, 6), ""),
    ("CMP031", APP + "    labels: {1: x}", (5, 14), 'write "1"'),
    ("CMP031", APP + "x-note: {true: x}", (5, 10), 'write "true"'),
    ("CMP032", APP + "    networks: [web]", (5, 16), "add `web:` under `networks`"),
    ("CMP032", APP + "    networks: {web: {aliases: [x]}}", (5, 16), "add `web:`"),
    ("CMP032", APP + "    volumes: ['data:/data']", (5, 15), "add `data:` under `volumes`"),
    ("CMP032", APP + "    volumes: [dat:/data]\nvolumes: {data: }", (5, 15), "'data'"),
    (
        "CMP032",
        APP + "    volumes: [{type: volume, source: d, target: /d}]",
        (5, 15),
        "add `d:` under `volumes`",
    ),
    ("CMP032", APP + "    secrets: [key]", (5, 15), "add `key:` under `secrets`"),
    ("CMP032", APP + "    configs: [{source: key}]", (5, 15), "add `key:` under `configs`"),
    ("CMP032", APP + "    depends_on: [bb]\n" + OTHER, (5, 18), "did you mean 'b'?"),
    ("CMP032", APP + "    network_mode: service:vpn", (5, 19), "known: a"),
    ("CMP032", APP + "    links: ['db:database']", (5, 13), "known: a"),
    ("CMP032", APP + "    volumes_from: ['db:ro']", (5, 20), "known: a"),
    (
        "CMP032",
        APP + "    depends_on: [b]\n" + OTHER + "    profiles: [p]",
        (5, 18),
        "COMPOSE_PROFILES",
    ),
    ("CMP032", APP + "    extends: base", (5, 14), "name a service that the file has"),
    ("CMP033", "services:\n  a:\n    restart: always", (3, 5), "add `image: name:tag`"),
    (
        "CMP033",
        "services:\n  a: {extends: b, restart: always}\n  b: {restart: always, profiles: [p]}",
        (2, 6),
        "add `image: name:tag`",
    ),
    ("CMP034", APP + "    network_mode: host\n    networks: [default]", (5, 19), "drop one"),
    ("CMP034", APP + "    healthcheck: {test: [curl, x]}", (5, 26), '"CMD"'),
    ("CMP034", APP + "    scale: 2\n    container_name: a", (3, 5), "drop container_name"),
    ("CMP034", APP + "    scale: 2\n    deploy: {replicas: 3}", (3, 5), "drop one"),
    (
        "CMP034",
        APP + "    mem_limit: 1g\n    deploy: {resources: {limits: {memory: 2g}}}",
        (5, 16),
        "drop",
    ),
    ("CMP034", APP + "    volumes: [{type: bind, target: /x}]", (5, 15), "add `source: ./folder`"),
    ("CMP034", APP + "secrets:\n  s: {}", (6, 6), "add file or environment"),
    ("CMP034", APP + "configs:\n  c: {file: ./a, content: b}", (6, 27), "drop one"),
    ("CMP034", APP + "    secrets: [s]\nsecrets: {s: {external: true}}", (5, 15), "`file`"),
    (
        "CMP034",
        APP + "    secrets: [s]\nsecrets: {s: {environment: GONE}}",
        (6, 28),
        "add env: {GONE: …}",
    ),
    ("CMP034", APP + "volumes: {v: {external: true, driver: x}}", (5, 39), "drop `driver`"),
    ("CMP035", APP + "    depends_on: [b]\n" + OTHER + "    links: [a]", (5, 18), "drop one"),
    ("CMP035", APP + "    network_mode: service:a", (5, 19), "drop one"),
    ("CMP036", APP + "    profiles: [p]", (2, 3), "COMPOSE_PROFILES"),
    (
        "CMP037",
        APP
        + "    depends_on: {b: {condition: service_healthy}}\n"
        + OTHER
        + "    healthcheck: {disable: true}",
        (5, 21),
        "give b a healthcheck",
    ),
]


@pytest.mark.parametrize(("code", "compose", "place", "hint"), REFUSED)
def test_a_file_that_compose_refuses_is_an_error_at_its_place(
    tmp_path: Path, code: str, compose: str, place: tuple[int, int], hint: str
) -> None:
    (problem,) = found_in(tmp_path, compose)
    assert (problem.code, problem.severity) == (code, Severity.ERROR)
    assert problem.place is not None
    assert (problem.place.file.name, problem.place.line, problem.place.column) == ("c.yaml", *place)
    assert hint in f"{problem.message}; {problem.hint}"
    assert problem.excerpt == compose.splitlines()[place[0] - 1].rstrip()


_OLDER = {"imgae", "tset", "service:vpn", "[bb]", "30sec", "'data:/data'"}


@pytest.mark.parametrize(
    "compose", [case[1] for case in REFUSED if any(word in case[1] for word in _OLDER)]
)
def test_an_older_compose_refuses_it_too(tmp_path: Path, compose: str) -> None:
    (tmp_path / "docker-compose.yml").write_text(f"version: '3.8'\n{compose}\n")
    told = judge("docker-compose", "--project-directory", tmp_path, "config", check=False)
    assert told.returncode


EVERY_FORM = """\
name: my-app
x-log: &log {driver: json-file, options: {max-size: 10m, max-file: 3, tag: null}}
x-base: &base
  restart: unless-stopped
  logging: *log
x-env: &env {TZ: Etc/UTC, A: 1, B: 1.5, C: true, D: null, E: "y"}
services:
  web:
    <<: *base
    image: nginx:1.2.3
    x-note: {anything: [goes, 1]}
    annotations: {com.example: x}
    attach: false
    blkio_config:
      weight: 300
      weight_device: [{path: /dev/sda, weight: 400}]
      device_read_bps: [{path: /dev/sda, rate: 12mb}]
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    cgroup: private
    command: [nginx, -g, daemon off;]
    configs: [site, {source: page, target: /page, uid: "1", gid: "1", mode: 0440}]
    cpus: "0.5"
    cpu_shares: 512
    depends_on:
      db: {condition: service_healthy, restart: true}
      init: {condition: service_completed_successfully, required: false}
    deploy:
      mode: replicated
      replicas: 1
      labels: [a=b]
      resources:
        limits: {cpus: "0.50", memory: 50M, pids: 10}
        reservations: {devices: [{driver: nvidia, count: all, capabilities: [gpu]}]}
      restart_policy: {condition: on-failure, delay: 5s, max_attempts: 3, window: 2m}
      update_config: {parallelism: 2, order: start-first}
    develop: {watch: [{path: ./src, action: rebuild}]}
    devices: ["/dev/ttyUSB0:/dev/ttyUSB0:rwm", {source: /dev/a, target: /dev/a, permissions: r}]
    dns: 9.9.9.9
    dns_search: [example.com]
    environment: {<<: *env, F: "${F:-}"}
    expose: [3000, "8000-8010/udp"]
    extra_hosts: ["a:host-gateway", "b=1.2.3.4"]
    group_add: [video, 1000]
    healthcheck:
      test: [CMD-SHELL, "curl -f http://localhost || exit 1"]
      interval: 1m30s
      timeout: 10s
      retries: 3
      start_period: 1.5s
      start_interval: 500ms
    hostname: web
    init: true
    ipc: shareable
    labels: ["traefik.enable=true", "traefik.http.routers.a.rule=Host(`a.b`)"]
    links: ["db:database"]
    mem_limit: 50M
    memswap_limit: -1
    networks:
      front: {aliases: [www], ipv4_address: 172.16.0.5, priority: 1000}
      back:
    oom_score_adj: -500
    platform: linux/amd64
    ports:
    - 80:80
    - "443:443/tcp"
    - 127.0.0.1:8443:8443
    - "[::1]:8444:8444/udp"
    - "9000-9005:9000-9005"
    - 3000
    - {name: x, target: 81, published: "8081", protocol: tcp, mode: host, host_ip: 127.0.0.1}
    post_start: [{command: [touch, /x], user: root, privileged: true, environment: [A=b]}]
    pre_stop: [{command: ./bye.sh}]
    pull_policy: missing
    read_only: true
    secrets: [key, {source: token, target: /run/t, mode: 0o400}]
    security_opt: ["no-new-privileges:true"]
    shm_size: 2gb
    stop_grace_period: 1m
    sysctls: {net.core.somaxconn: 1024}
    tmpfs: [/run, "/tmp:size=64m"]
    tty: yes
    ulimits: {nofile: {soft: 20000, hard: 40000}, nproc: 65535}
    user: "1000:1000"
    volumes:
    - data:/data
    - /etc/localtime:/etc/localtime:ro
    - /anonymous
    - {type: bind, source: /srv, target: /srv, bind: {propagation: rslave, selinux: z}}
    - {type: tmpfs, target: /cache, tmpfs: {size: 100m, mode: 0755}}
    - {type: volume, source: data, target: /more, read_only: true, volume: {nocopy: true}}
  db:
    <<: [*base]
    image: postgres:16.2
    environment: [POSTGRES_DB=x, TZ]
    env_file: []
    healthcheck: {test: pg_isready, interval: "${EVERY:-30s}"}
    mem_limit: ${MEMORY:-1g}
    networks: [back]
    privileged: "${PRIVILEGED:-false}"
    volumes: ["database:/var/lib/postgresql/data:z"]
  init: {image: "busybox:1.36.1", command: "echo $$HOME $1", restart: "no", network_mode: none}
  side: {image: "busybox:1.36.1", restart: on-failure:3, network_mode: "service:web"}
  more: {extends: {service: db}, restart: always}
  debug: {image: "busybox:1.36.1", profiles: [debug], networks: [gone], restart: always}
networks:
  front: {driver: bridge, ipam: {driver: default, config: [{subnet: 172.16.0.0/24}]}}
  back: {internal: true, labels: [a=b]}
volumes:
  data:
  database: {driver: local, driver_opts: {type: none, o: bind, device: /srv/db}}
  old: {external: true, name: x}
configs:
  site: {content: "${SITE:-x}"}
  page: {environment: PAGE}
secrets:
  key: {environment: KEY}
  token: {environment: KEY}
"""


def test_a_file_in_every_form_is_taken(tmp_path: Path) -> None:
    env = "{PAGE: x, KEY: {env: X}}"
    assert [p for p in found_in(tmp_path, EVERY_FORM, env=env) if p.code != "CMP003"] == []


@pytest.mark.parametrize(
    "service",
    [
        "mem_limit: 512\n    pids_limit: '5'\n    cpus: 1.5\n    scale: '2'",
        "privileged: 'no'\n    init: ON\n    read_only: False",
        "command:\n    entrypoint: ''",
        "depends_on: {b: {condition: service_started, required: false}}",
        "labels: {a: 1, b: true, c: null, d: x}\n    environment: [A=1, A=2]",
        "restart: 'no'\n    gpus: all",
        "gpus: [{driver: nvidia, count: 1}]\n    label_file: []",
        "deploy:\n    develop:",
        "storage_opt: {size: 1G}\n    isolation: default\n    runtime: runc",
        "credential_spec: {file: my.json}\n    domainname: x\n    mac_address: 02:42:ac:11:65:43",
        "network_mode: bridge\n    pid: host\n    uts: host\n    userns_mode: host",
        "volumes_from: ['b:ro', 'container:other']\n    external_links: [x]",
    ],
)
def test_a_service_in_an_odd_form_is_taken(tmp_path: Path, service: str) -> None:
    compose = APP.replace("    restart: always\n", f"    {service}\n", 1) + OTHER
    assert {p.code for p in found_in(tmp_path, compose)} <= {"CMP010"}


def test_a_version_is_text_at_least(tmp_path: Path) -> None:
    found = found_in(tmp_path, "version: 3.8\n" + APP)
    assert {(p.code, p.severity) for p in found} == {
        ("CMP031", Severity.ERROR),
        ("CMP009", Severity.WARNING),
    }


def test_a_profile_that_is_switched_on_is_looked_at(tmp_path: Path) -> None:
    compose = APP + "    profiles: [p]\n    networks: [gone]\n"
    assert [p.code for p in found_in(tmp_path, compose, env="{COMPOSE_PROFILES: 'a,p'}")] == [
        "CMP032"
    ]


def test_what_a_reference_decides_is_not_judged(tmp_path: Path) -> None:
    compose = APP + "    mem_limit: ${M}\n    stop_grace_period: ${GRACE}\n"
    assert found_in(tmp_path, compose, env="{M: {env: X}, GRACE: {file: x}}") == ()
    assert [p.code for p in found_in(tmp_path, compose, env="{M: lots, GRACE: 5s}")] == ["CMP031"]


def test_a_service_may_have_its_image_from_what_it_extends(tmp_path: Path) -> None:
    compose = "services:\n  a:\n    extends: {file: base.yaml, service: b}\n    restart: always\n"
    base = "services: {b: {extends: c}, c: {image: 'x:1.2.3', networks: [web]}}\n"
    (problem,) = found_in(tmp_path, compose, base__yaml=base)
    assert (problem.code, problem.place and problem.place.line) == ("CMP032", 3)
    assert found_in(tmp_path, compose + "networks: {web: }\n", base__yaml=base) == ()
    (problem,) = found_in(tmp_path, compose.replace("b}", "z}"), base__yaml=base)
    assert (problem.code, problem.message) == (
        "CMP032",
        "a extends the undefined service 'z' of base.yaml",
    )


def test_a_wait_for_health_wants_a_healthcheck_and_an_image_may_bring_it(tmp_path: Path) -> None:
    compose = APP + "    depends_on: {b: {condition: service_healthy}}\n" + OTHER
    (problem,) = found_in(tmp_path, compose)
    assert (problem.code, problem.severity) == ("CMP037", Severity.WARNING)
    assert found_in(tmp_path, compose + "    healthcheck: {test: x}\n") == ()
