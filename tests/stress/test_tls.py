"""wss:// on loopback: the same findings behind a certificate, which is checked; and bytes that arrive in any pieces."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.servers import free_port, running, uvicorn
from crosswire.fuzzer import UsageError
from crosswire.fuzzer.stress.run import stress
from crosswire.fuzzer.stress.tls import Cipher

from .live import chat, kinds, settings_for, stressed

CHAT = "examples.wires:websockets_chat"
AUTHORITY = trustme.CA()
SHORT = {"clients": 10, "rate": 150.0, "seconds": 0.8}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a server's certificate and its key, and beside it the authority's, ``authority.pem``."""
    folder = tmp_path_factory.mktemp("certificate")
    AUTHORITY.cert_pem.write_to_path(folder / "authority.pem")
    AUTHORITY.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return folder / "server.pem"


@pytest.fixture
def trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("authority.pem")))


@pytest.mark.usefixtures("trusting")
def test_a_leak_behind_tls_is_found(certificate: Path, tmp_path: Path) -> None:
    port = free_port()
    result = stressed([*chat("leak", port), str(certificate)], port, CHAT, tmp_path, scheme="wss", **SHORT)
    assert "CrossUserLeak" in kinds(result)


@pytest.mark.usefixtures("trusting")
def test_logins_over_https_work_and_nobody_is_accused(certificate: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [*uvicorn("tests.stress.servers.shop:app", port), "--ssl-certfile", str(certificate)]
    command += ["--ssl-keyfile", str(certificate)]
    result = stressed(command, port, "tests.test_logins:BY_JSON", tmp_path, scheme="wss", **SHORT)
    assert not result.broken, [one.proven for one in result.broken.values()]
    assert result.figures.heard and result.figures.owed and result.figures.connects >= 10
    assert not [what for what in result.figures.errors if what.startswith("no ")]


def test_a_certificate_that_is_not_trusted_is_told_unless_any_will_do(certificate: Path, tmp_path: Path) -> None:
    port = free_port()
    with running([*chat("leak_repaired", port), str(certificate)], port):
        with pytest.raises(UsageError, match=r"is not trusted .*--insecure"):
            stress(settings_for(port, CHAT, tmp_path, scheme="wss", **SHORT))
        result = stress(settings_for(port, CHAT, tmp_path, scheme="wss", insecure=True, **SHORT))
    assert result.code == 0 and result.figures.heard


@pytest.mark.usefixtures("trusting")
def test_a_certificate_in_another_name_is_not_the_servers(tmp_path: Path) -> None:
    port, other = free_port(), tmp_path / "other.pem"
    AUTHORITY.issue_cert("chat.example").private_key_and_cert_chain_pem.write_to_path(other)
    command = [sys.executable, "-m", "tests.stress.servers.serve", "tests.stress.servers.chats:deaf", str(port)]
    with running([*command, str(other)], port), pytest.raises(UsageError, match="is not trusted"):
        stress(settings_for(port, CHAT, tmp_path, scheme="wss"))


def test_who_does_not_speak_tls_is_told(tmp_path: Path) -> None:
    port = free_port()
    with running(chat("deaf", port), port), pytest.raises(UsageError, match="does not speak TLS"):
        stress(settings_for(port, CHAT, tmp_path, scheme="wss"))


@given(st.lists(st.binary(min_size=1, max_size=40_000), min_size=1, max_size=3), st.integers(1, 5000))
def test_what_is_sent_arrives_in_whatever_pieces(certificate: Path, messages: list[bytes], size: int) -> None:
    context = ssl.create_default_context(cafile=str(certificate.with_name("authority.pem")))
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(certificate)
    read, written = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = theirs.wrap_bio(read, written, server_side=True), Cipher(context, "127.0.0.1")
    echoed, heard, shaken = b"", b"", False
    out = b"".join(client.sent(message) for message in messages)
    while out:
        read.write(out)
        try:
            if not shaken:
                server.do_handshake()
                shaken = True
            while True:
                piece = server.read(1 << 16)
                echoed += piece
                server.write(piece)
        except ssl.SSLWantReadError:
            pass
        back, out = written.read(), b""
        for at in range(0, len(back), size):
            heard += client.received(back[at : at + size])
            out += client.sent(b"")
    assert echoed == heard == b"".join(messages)
