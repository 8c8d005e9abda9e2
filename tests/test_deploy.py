"""deploy/: its files agree with the project; nginx before the real service does what it says."""

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from qa.cli import cli
from qa.settings import PREFIX, Settings, variable

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
PODS, *OTHERS = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
CONTAINER = PODS["spec"]["template"]["spec"]["containers"][0]
NGINX = (DEPLOY / "nginx/qa.conf").read_text("utf-8")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SERVICE = DEPLOY / "systemd/qa.service"
ASKED = "收到调解短信后几天内要回复？"
SECRET = "王小明欠花呗三万二"
PAGE = "/topics/respond-how-fast"
KNOWN_VARIABLES = {variable(name) for name in Settings.model_fields}


def unit(path):
    """The [Service] section; of a repeated key a list, as in Environment=."""
    lines = path.read_text("utf-8").split("\n[Service]\n")[1].split("\n[Install]")[0].splitlines()
    section = {}
    for line in lines:
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            section.setdefault(key, []).append(value)
    return section


def environment(path):
    return dict(one.split("=", 1) for one in unit(path)["Environment"])


# The files agree with the project.


def test_every_variable_is_a_setting():
    used = set(
        re.findall(rf"\b{PREFIX}[A-Z_]+", "".join(map(read, DEPLOY.rglob("*.*"))) + DOCKERFILE)
    )
    assert used <= KNOWN_VARIABLES
    assert {"QA_INDEX", "QA_PROXIES", "QA_FEEDBACK"} <= used


@pytest.mark.parametrize("values", [environment(SERVICE), COMPOSE["services"]["qa"]["environment"]])
def test_every_value_is_accepted(values, monkeypatch):
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert settings.proxies == 1


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_a_command_that_exists_as_a_user_that_may_little(path):
    section = unit(path)
    _, command = shlex.split(section["ExecStart"][0])
    assert command in cli.commands
    for key in ("DynamicUser", "NoNewPrivileges", "PrivateTmp"):
        assert section[key] == ["yes"]
    assert section["ProtectSystem"] == ["strict"]
    assert section["CapabilityBoundingSet"] == [""]


def test_both_units_share_the_folder_they_may_write():
    assert {environment(path)["QA_INDEX"] for path in UNITS} == {"/var/lib/qa/index"}
    assert [unit(path)["StateDirectory"] for path in UNITS] == [["qa"], ["qa"]]
    assert [unit(path)["User"] for path in UNITS] == [["qa"], ["qa"]]


def test_the_ports_are_the_same_everywhere():
    port = environment(SERVICE)["QA_PORT"]
    assert f"QA_PORT={port}" in DOCKERFILE
    assert f"EXPOSE {port}" in DOCKERFILE
    assert CONTAINER["ports"][0]["containerPort"] == int(port)
    assert f"server 127.0.0.1:{port}" in NGINX
    assert f":{port}/" in COMPOSE["services"]["nginx"]["command"]


def test_what_the_image_is_made_of_is_there_and_what_is_not_needed_stays_out():
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M):
        for path in line.split():
            assert (ROOT / path).exists(), path
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) == ["python:3.11.14-slim-bookworm"] * 2
    assert DOCKERFILE.count("--require-hashes") == 2
    assert "USER 10001:10001" in DOCKERFILE.split("FROM")[2]


def test_compose_names_files_that_are_there():
    service = COMPOSE["services"]["qa"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert (DEPLOY / COMPOSE["services"]["nginx"]["volumes"][0].split(":")[0]).is_file()
    assert service["read_only"] is True


def test_pods_are_probed_where_the_service_answers(app):
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    probed = {CONTAINER[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness")}
    ready = CONTAINER["readinessProbe"]["httpGet"]["path"]
    assert probed == {"/healthz"}
    assert ready == "/readyz"
    assert {*probed, ready} <= routes


def test_pods_run_as_nobody_and_write_nowhere():
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    pod = PODS["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["enableServiceLinks"] is False  # QA_PORT=tcp://… would stop the start
    assert PODS["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert all(one["spec"]["selector"] for one in OTHERS)


def test_systemd_finds_no_fault(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine")
    for path in UNITS:  # the program need only be one that exists
        text = path.read_text("utf-8").replace("/opt/qa/bin/qa", "/bin/true")
        (tmp_path / path.name).write_text(text, "utf-8")
        command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stderr) == (0, "")


# What is deployed is pinned.


def locked(name):
    pin = r"^([\w.-]+)==(\S+) \\\n {4}--hash=sha256:[0-9a-f]{64}"
    return dict(re.findall(pin, read(DEPLOY / name), re.M))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock"])
def test_everything_is_locked_by_hash_and_no_place_is_named(name):
    text = read(DEPLOY / name)
    assert len(locked(name)) == text.count("==") > 5
    assert "http" not in text
    assert "--index" not in text
    assert "--find" not in text


def test_what_serving_needs_is_locked_and_what_training_needs_is_not():
    listed = read(ROOT / "pyproject.toml").partition("dependencies = [")[2].partition("\n]")[0]
    wanted = re.findall(r'^  "([\w-]+)[>=]=', listed, re.M)
    wanted = {name.lower() for name in wanted}
    assert wanted - set(locked("requirements.lock")) == {"torch", "sentence-transformers"}


def test_the_list_of_parts_names_every_locked_package(tmp_path):
    program = Path(sys.executable).with_name("cyclonedx-py")
    out = tmp_path / "sbom.json"
    command = [program, "requirements", "--output-reproducible", "--output-file", out]
    subprocess.run([*command, DEPLOY / "requirements.lock"], check=True, timeout=120)
    parts = json.loads(out.read_text("utf-8"))["components"]
    assert {part["name"]: part["version"] for part in parts} == locked("requirements.lock")


# nginx before the real service.


def read(path):
    return path.read_text("utf-8")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"nothing listens on port {port}")


@pytest.fixture(scope="module")
def nginx_program():
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no nginx: apt-get install nginx-light")
    if found is None:
        pytest.skip("no nginx on this machine: apt-get install nginx-light")
    return found


@pytest.fixture(scope="module")
def service(shipped_index, tmp_path_factory):
    """The command line of the unit, with its environment, but for the folders and the port."""
    port = free_port()
    path = SERVICE
    program, *arguments = shlex.split(unit(path)["ExecStart"][0])
    assert Path(program).name == "qa"
    own = {"QA_INDEX": str(shipped_index), "QA_PORT": str(port), "QA_FEEDBACK": "off"}
    own |= {"QA_RATE_LIMIT": "8/minute", "QA_TIME_LIMIT_MS": "25000"}
    log = tmp_path_factory.mktemp("service") / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "qa", *arguments],
            env={**os.environ, **environment(path), **own},
            cwd=ROOT,
            stdout=file,
            stderr=file,
        )
    wait_for(port)
    yield port, log
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def certificate(folder):
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=qa.example.org"
    files = ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def nginx(service, nginx_program, tmp_path_factory):
    """deploy/nginx/qa.conf as it is, but for ports and folders: its TLS port and its folder."""
    folder = tmp_path_factory.mktemp("nginx")
    certificate(folder)
    tls, plain = free_port(), free_port()
    text = NGINX
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{tls} ssl",
        "listen 80": f"listen 127.0.0.1:{plain}",
        "127.0.0.1:8000": f"127.0.0.1:{service[0]}",
        "/etc/qa/certificate": str(folder),
        "/var/log/nginx": str(folder),
        "/var/cache/nginx": str(folder / "cache"),
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "cache").mkdir()
    (folder / "qa.conf").write_text(text, "utf-8")
    temporary = "".join(
        f"{name}_temp_path {folder}/temp-{name}; "
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"daemon off; user root; pid {folder}/pid; error_log stderr emerg; events {{}}\n"
    main = main if os.geteuid() == 0 else main.replace("user root; ", "")
    main += f"http {{ access_log off; {temporary} include {folder}/qa.conf; }}\n"
    (folder / "nginx.conf").write_text(main, "utf-8")
    process = subprocess.Popen([nginx_program, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    wait_for(tls)
    yield tls, plain, folder
    process.send_signal(signal.SIGQUIT)
    process.wait(30)


def fetch(port, method, path, body=None, headers=None, source="127.0.0.1"):
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(
        "127.0.0.1", port, timeout=60, context=context, source_address=(source, 0)
    )
    try:
        headers = {"Host": "qa.example.org", **(headers or {})}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def ask(port, question, **more):
    body = json.dumps({"question": question})
    return fetch(port, "POST", "/ask", body, {"Content-Type": "application/json"}, **more)


def test_a_question_is_answered_through_nginx(nginx):
    status, headers, body = ask(nginx[0], ASKED)
    assert status == 200
    assert json.loads(body)["passages"][0]["topic"] == "respond-how-fast"
    assert headers["Strict-Transport-Security"]  # the service believes X-Forwarded-Proto
    assert "nginx/" not in headers["Server"]


def test_a_page_of_a_topic_is_kept_for_a_moment_and_not_by_browsers(nginx):
    first = fetch(nginx[0], "GET", PAGE)
    second = fetch(nginx[0], "GET", PAGE)
    assert (first[1]["X-Cache"], second[1]["X-Cache"]) == ("MISS", "HIT")
    assert first[2] == second[2]
    assert second[1]["Cache-Control"] == "no-store"
    assert fetch(nginx[0], "GET", PAGE + "?a=1")[1]["X-Cache"] == "BYPASS"


def test_a_page_that_is_kept_is_given_to_readers_of_its_language_alone(nginx):
    for _ in range(2):
        for language in ("zh-CN", "en"):
            page = fetch(nginx[0], "GET", PAGE, headers={"Accept-Language": language})[2]
            assert f'<html lang="{language}"'.encode() in page
    headers = {"Accept-Language": quote(SECRET)}
    assert fetch(nginx[0], "GET", PAGE, headers=headers)[1]["X-Cache"] == "BYPASS"


def test_a_topic_that_is_known_is_not_sent_again(nginx):
    path = "/api/v1" + PAGE
    _, headers, _ = fetch(nginx[0], "GET", path)
    tag = headers["ETag"]
    status, _, body = fetch(nginx[0], "GET", path, headers={"If-None-Match": tag})
    assert (status, body) == (304, b"")


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_operators_read_is_not_passed_on(nginx, path):
    assert fetch(nginx[0], "GET", path)[0] == 404


def test_a_large_body_is_refused_before_the_service_hears_of_it(nginx):
    assert ask(nginx[0], "x" * 70_000)[0] == 413


def test_the_service_counts_by_the_address_of_the_asker_whatever_the_asker_writes(nginx):
    def told(source):
        headers = {"Content-Type": "application/json", "X-Forwarded-For": f"203.0.113.{told.n}"}
        told.n += 1
        body = json.dumps({"question": "谢谢"})
        return fetch(nginx[0], "POST", "/ask", body, headers, source)[0]

    told.n = 1
    # Two workers each count eight a minute.
    assert 429 in [told("127.0.0.2") for _ in range(17)]
    assert told("127.0.0.3") == 200


def test_one_address_gets_so_many_requests_at_once_and_others_are_not_held_up(nginx):
    statuses = [fetch(nginx[0], "GET", PAGE, source="127.0.0.4")[0] for _ in range(80)]
    assert set(statuses) == {200, 429}
    assert statuses.index(429) > 30
    assert fetch(nginx[0], "GET", PAGE, source="127.0.0.5")[0] == 200


def test_the_plain_port_sends_browsers_on_without_the_question(nginx):
    connection = http.client.HTTPConnection("127.0.0.1", nginx[1], timeout=10)
    connection.request("GET", f"/ask?q={quote(SECRET)}", headers={"Host": "qa.example.org"})
    response = connection.getresponse()
    assert (response.status, response.headers["Location"]) == (301, "https://qa.example.org/")
    connection.close()


def test_clients_that_send_slowly_cost_the_service_nothing(nginx):
    """More of them than the service has threads; they are held by nginx alone."""
    context = ssl._create_unverified_context()
    head = b"POST /ask HTTP/1.1\r\nHost: qa.example.org\r\nContent-Length: 1000\r\n\r\n{"
    slow = []
    for n in range(16):
        plain = socket.create_connection(("127.0.0.1", nginx[0]), 10, (f"127.0.1.{n + 1}", 0))
        slow.append(context.wrap_socket(plain))
        slow[-1].sendall(head)
    try:
        assert ask(nginx[0], ASKED, source="127.0.0.6")[0] == 200
    finally:
        for connection in slow:
            connection.close()


def test_no_question_is_in_any_file_of_nginx_or_in_the_log_of_the_service(nginx, service):
    tls, _, folder = nginx
    for path in (
        "/ask?q={}",
        "/api/v1/ask?q={}",
        "/topics?q={}",
        "/{}",
        "/ask%3Fq={}",
        "/topics/{}",
    ):
        fetch(tls, "GET", path.format(quote(SECRET)), source="127.0.0.7")
    ask(tls, SECRET * 500, source="127.0.0.7")
    for _ in range(60):  # beyond the limit of nginx, which it would log as an error
        fetch(tls, "GET", f"/ask?q={quote(SECRET)}", source="127.0.0.8")
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert {"qa.log", "qa-error.log"} <= {path.name for path in kept}
    assert " /ask GET 200 " in read(folder / "qa.log")
    for path in [*kept, service[1]]:
        content = path.read_bytes()
        for form in (SECRET.encode(), quote(SECRET).encode(), b"\\xE7\\x8E\\x8B"):
            assert form not in content, path
