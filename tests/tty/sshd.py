"""A real sshd of the test's own on loopback: its own key, configuration and port, no rights.

Nothing of the system's is read or written. A machine without OpenSSH or tmux skips what
needs them, and says which it was.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from engine.core.clock import pause
from tests.tty.harness import ROOT, Terminal

PRIVSEP = Path("/run/sshd")
"""An empty folder that sshd insists on where it is started by root."""

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PermitUserEnvironment no
PrintMotd no
PrintLastLog no
X11Forwarding no
LogLevel ERROR
ClientAliveInterval {alive}
ClientAliveCountMax 2
"""


def missing(*needs: str) -> str:
    """Why tests over SSH can't run here, or nothing."""
    for name in ("sshd", "ssh", "ssh-keygen", *needs):
        if find(name) is None:
            package = {"sshd": "openssh-server", "tmux": "tmux"}.get(name, "openssh-client")
            return f"{name} is not installed (Debian: apt-get install {package})"
    if os.getuid() == 0 and not PRIVSEP.is_dir():
        return f"sshd started by root wants the empty folder {PRIVSEP}"
    return ""


def needs(*commands: str) -> pytest.MarkDecorator:
    """Skip where OpenSSH or these commands are not installed."""
    why = missing(*commands)
    return pytest.mark.skipif(bool(why), reason=why)


def find(name: str) -> str | None:
    path = os.environ.get("PATH", "") + os.pathsep + os.pathsep.join(("/usr/sbin", "/sbin"))
    return shutil.which(name, path=path)


class Sshd:
    """The server, while the block lasts. `alive_s` is after how long of silence it asks
    whether the client is still there; 0 never, so that an idle line carries nothing."""

    def __init__(self, folder: Path, *, alive_s: int = 0) -> None:
        self.folder = folder
        for name in ("host_key", "user_key"):
            subprocess.run(
                [_need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)],
                check=True,
            )
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        self.port = _free_port()
        config = folder / "sshd_config"
        config.write_text(CONFIG.format(port=self.port, folder=folder, alive=alive_s))
        self._log = (folder / "sshd.log").open("wb")
        self.process = subprocess.Popen(
            [_need("sshd"), "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
            except OSError:
                if self.process.poll() is not None:
                    break
                pause(0.01)
            else:
                return
        raise AssertionError(f"sshd did not start: {(self.folder / 'sshd.log').read_text()}")

    def __enter__(self) -> Sshd:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(5.0)
        self._log.close()

    def command(self, remote: str, port: int = 0) -> list[str]:
        """The ssh command line that runs this on the other side in a terminal of its own."""
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "Compression": "no",
            "ServerAliveInterval": "0",
            "ControlMaster": "no",
        }
        given = [part for pair in options.items() for part in ("-o", "=".join(pair))]
        return [
            _need("ssh"), "-F", "none", "-tt", "-i", str(self.folder / "user_key"),
            "-p", str(port or self.port), *given, f"{getpass.getuser()}@127.0.0.1", remote,
        ]  # fmt: skip

    def open(
        self, command: Sequence[str], *, port: int = 0, columns: int = 120, rows: int = 40,
        env: Mapping[str, str] | None = None,
    ) -> Terminal:  # fmt: skip
        """A terminal here in which ssh runs a command there; `port` is a line's, if any."""
        line = remote(command, env or {})
        ssh = self.command(line, port)
        return Terminal(ssh[1:], columns=columns, rows=rows, program=ssh[:1])


def remote(command: Sequence[str], env: Mapping[str, str]) -> str:
    """A command as a shell on the other side runs it, in the project's folder."""
    given = {"LANG": "C.UTF-8", **env}
    words = ["env", *(f"{name}={value}" for name, value in given.items()), *command]
    return f"cd {shlex.quote(str(ROOT))} && exec {shlex.join(words)}"


def _need(name: str) -> str:
    found = find(name)
    assert found is not None, name
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
