"""Where an engine listens, and who may come in.

The address follows from the journal, so that whoever can name a journal finds its engine.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from engine.wire.frames import Unreachable, WireError

LONGEST = 100
"""Bytes of a socket's path; the kernels that matter take 103 or more."""

PROBE_S = 0.5
_CREDENTIALS = struct.Struct("3i")


def address_of(journal: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the engine of a journal listens: beside it, where every session finds it.

    The runtime folder would be the usual place, but it goes with the last login of its user,
    and an engine is meant to stay. It serves where the journal's own path is too long.
    """
    path = journal.expanduser().absolute()
    beside = path.with_name(f"{path.name}.sock")
    runtime = environ.get("XDG_RUNTIME_DIR")
    if len(os.fsencode(beside)) <= LONGEST or not runtime:
        return beside
    tag = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(runtime) / "quarterdeck" / f"{tag}.sock"


def serving(journal: Path) -> Path | None:
    """The address at which the engine of this journal accepts screens now, None without one."""
    address = address_of(journal)
    return address if address.exists() and alive(address) else None


def alive(address: Path) -> bool:
    """Whether somebody of this user accepts connections there."""
    try:
        dial(address, PROBE_S).close()
    except WireError:
        return False
    return True


def dial(address: Path, timeout_s: float) -> socket.socket:
    """A connection to an engine of this user. Raises `Unreachable`, or `WireError` for others."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(timeout_s)
        link.connect(str(address))
        check_peer(link, os.getuid())
    except OSError as error:
        link.close()
        raise Unreachable(
            f"no engine answers at {address}: {error.strerror or error}",
            "start one with `quarterdeck serve`",
        ) from None
    except WireError:
        link.close()
        raise
    return link


def check_peer(link: socket.socket, uid: int) -> None:
    """Raise `WireError` unless the process at the other end belongs to this user.

    Where the system can't tell (it is Linux that can), the socket's mode 0600 stands alone.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return
    _, peer, _ = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    if peer != uid:
        raise WireError(f"user {peer} is at the other end of the socket", "run both as one user")


class Door:
    """A listening socket, 0600, with a lock beside it that dies with its process.

    A socket that a dead engine left is replaced. Raises `WireError` when a live one listens
    there, or where nothing can be made.
    """

    def __init__(self, address: Path) -> None:
        if len(os.fsencode(address)) > LONGEST:
            raise WireError(
                f"the path of the socket {address} is too long", "give a shorter one by --socket"
            )
        self.address = address
        try:
            address.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(
                address.with_name(address.name + ".lock"),
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                0o600,
            )
        except OSError as error:
            raise self._failed(error) from None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._claim()
            self._listen()
        except OSError as error:
            self._let_go()
            raise self._failed(error) from None
        except WireError:
            self._let_go()
            raise

    def _claim(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._taken() from None
        if alive(self.address):
            raise self._taken()
        if self.address.is_socket():
            self.address.unlink()

    def _listen(self) -> None:
        before = os.umask(0o177)
        try:
            self.listener.bind(str(self.address))
        finally:
            os.umask(before)
        os.chmod(self.address, 0o600)
        self.listener.listen(16)
        self.listener.setblocking(False)

    def close(self) -> None:
        """Stop listening and take the socket away; safe twice."""
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                self.address.unlink()
            self._let_go()

    def _let_go(self) -> None:
        self.listener.close()
        os.close(self._lock)
        self._lock = -1

    def _taken(self) -> WireError:
        return WireError(
            f"another engine listens at {self.address}", "use it by `quarterdeck attach`"
        )

    def _failed(self, error: OSError) -> WireError:
        return WireError(
            f"can't listen at {self.address}: {error.strerror or error}",
            "give another path by --socket",
        )
