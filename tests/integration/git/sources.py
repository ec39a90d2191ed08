"""Real repositories elsewhere, as imports meet them: git behind Apache and sshd, Subversion behind Apache and svnserve.

Each class starts one server on a free port and stops it by pid. Used by `test_foreign`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from roost.node import packages

NEEDED = ("apache2", "libapache2-mod-svn", "openssh-server", "openssh-client", "subversion")
USER, PASSWORD = "mei", "a password; with $signs"


def install() -> None:
    """What these servers need, where it is missing. None of them is started as the machine's own service."""
    with _no_services():
        packages.ensure(NEEDED)


@contextlib.contextmanager
def _no_services(policy: Path = Path("/usr/sbin/policy-rc.d")) -> Iterator[None]:
    """Debian asks this program before it starts what it has installed; 101 says no."""
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something listens there."""
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not listen"
        time.sleep(0.05)


@contextlib.contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[None]:
    """A server that stays in the foreground, with all that it starts."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until_open(port, process)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def call(*command: str, cwd: Path | None = None, stdin: str | None = None) -> str:
    """What a program printed; the test fails where it does."""
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


_APACHE = """\
ServerName localhost
ServerRoot {folder}
PidFile {folder}/pid
Listen 127.0.0.1:{port}
User www-data
Group www-data
ErrorLog {folder}/error.log
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authn_file_module {modules}/mod_authn_file.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_basic_module {modules}/mod_auth_basic.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule env_module {modules}/mod_env.so
LoadModule cgi_module {modules}/mod_cgi.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_svn_module {modules}/mod_dav_svn.so
SetEnv GIT_PROJECT_ROOT {repositories}
SetEnv GIT_HTTP_EXPORT_ALL 1
ScriptAlias /git/ /usr/lib/git-core/git-http-backend/
<Location /git/>
  Require all granted
</Location>
<Location /svn>
  DAV svn
  SVNParentPath {repositories}
  Require all granted
</Location>
<Location /git/private.git>
  AuthType Basic
  AuthName repositories
  AuthUserFile {folder}/users
  Require valid-user
</Location>
<Location /svn/private>
  AuthType Basic
  AuthName repositories
  AuthUserFile {folder}/users
  Require valid-user
</Location>
"""


@contextlib.contextmanager
def apache(folder: Path, repositories: Path) -> Iterator[str]:
    """git at `<address>/git/<name>.git`, Subversion at `<address>/svn/<name>`; `private` asks for a password.

    Apache drops root's rights, so the repositories become those of its user.
    """
    folder.mkdir()
    port = free_port()
    call("chown", "-R", "www-data:", str(repositories))
    for parent in (repositories, *repositories.parents):
        if parent.owner() == "root" and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    call("htpasswd", "-bc", str(folder / "users"), USER, PASSWORD)
    modules = "/usr/lib/apache2/modules"
    words = _APACHE.format(folder=folder, port=port, modules=modules, repositories=repositories)
    (folder / "apache.conf").write_text(words)
    command = ["apache2", "-D", "FOREGROUND", "-f", str(folder / "apache.conf")]
    with running(command, port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def sshd(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(address, private key that may come in, known hosts)."""
    folder.mkdir()
    port = free_port()
    for name in ("host", "user"):
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own, where it drops its rights; it refuses to start without.
    lines = [
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {folder / 'authorized'}",
        f"PidFile {folder / 'pid'}",
        "PermitRootLogin prohibit-password",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
    ]
    (folder / "config").write_text("\n".join(lines) + "\n")
    public = " ".join((folder / "host.pub").read_text().split()[:2])
    with running(["/usr/sbin/sshd", "-D", "-f", str(folder / "config")], port):
        yield f"ssh://root@127.0.0.1:{port}", (folder / "user").read_text(), f"[127.0.0.1]:{port} {public}\n"


@contextlib.contextmanager
def svnserve(repositories: Path) -> Iterator[str]:
    """The address under which every repository of the folder is read, at `<address>/<name>`."""
    port = free_port()
    command = ["svnserve", "--daemon", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", str(port)]
    with running([*command, "--root", str(repositories)], port):
        yield f"svn://127.0.0.1:{port}"
