"""What is fetched of providers: from where, over which wire, and how much of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from abaft import Settings
from abaft.auth.oauth.fetch import Away, Fetcher
from abaft.base import clock
from abaft.guard.addresses import is_internal, is_local_path, is_public
from scenarios import SECRET_KEY


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://localhost/", "https://2130706433/", "https://0177.0.0.1/",
        "https://[::ffff:127.0.0.1]/", "https://[::1]/", "https://0.0.0.0/", "https://10.1.2.3/",
        "https://192.168.0.1/", "https://169.254.169.254/", "https://[fe80::1]/",
        "https://[64:ff9b::7f00:1]/", "https://[fd00::1]/", "https://100.64.0.1/", "http://1.1.1.1/",
        "file:///etc/passwd", "gopher://example.org/", "https://", "https://a@1.1.1.1/",
    ],
)  # fmt: skip
async def test_ssrf_1_no_address_of_ours_is_asked(url: str) -> None:
    given = Settings(mode="production", secret_key=SECRET_KEY, provider_timeout=2.0)
    fetcher = Fetcher(given)
    begun = clock.ticks()
    with pytest.raises(Away) as raised:
        await fetcher.get(url)
    assert "isn't asked" in raised.value.reason
    assert (clock.ticks() - begun) / 1e9 < 1
    await fetcher.close()


@pytest.mark.parametrize(
    ("address", "public", "internal"),
    [
        ("1.1.1.1", True, True), ("2606:4700::1", True, True), ("10.0.0.1", False, True),
        ("fd00::1", False, True), ("127.0.0.1", False, True), ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False), ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:7f00:1::", False, True), ("fe80::1%eth0", False, False), ("0.0.0.0", False, False),  # noqa: S104
        ("224.0.0.1", False, False), ("ff02::1", False, False), ("::", False, False),
    ],
)  # fmt: skip
def test_ssrf_1_addresses_are_known_however_they_are_wrapped(
    address: str, public: bool, internal: bool
) -> None:
    assert (is_public(address), is_internal(address)) == (public, internal)


def test_oauth_4_a_path_is_one_of_ours() -> None:
    assert all(map(is_local_path, ["/", "/a", "/a?b=c&d=//e#f", "/a//b", "/%2F/evil"]))
    assert not any(map(is_local_path, ["", "a", "//a", "/\\a", "\\a", "/a\\b", "/ a", "/a\n"]))


def certificate(folder: Path) -> Path:
    """A certificate for `localhost`, that this machine is told to believe, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@asynccontextmanager
async def answering(path: Path, body: bytes, *headers: str) -> AsyncIterator[int]:
    """A TLS server of this machine that answers everybody the same; its port."""

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    server = await asyncio.start_server(told, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def fetched(url: str, **options: Any) -> Any:
    fetcher = Fetcher(Settings(database="sqlite:///", provider_timeout=2.0, **options))
    try:
        return await fetcher.get(url)
    finally:
        await fetcher.close()


async def test_oauth_6_tls_is_of_the_name_though_an_address_is_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    async with answering(path, b'{"a": 1}') as port:
        with pytest.raises(Away) as raised:
            await fetched(f"https://localhost:{port}/")
        assert "CERTIFICATE_VERIFY_FAILED" in raised.value.reason
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert await fetched(f"https://localhost:{port}/") == {"a": 1}
        # The same server, by a name that its certificate isn't of.
        with pytest.raises(Away) as raised:
            await fetched(f"https://127.0.0.1:{port}/")
        assert "CERTIFICATE_VERIFY_FAILED" in raised.value.reason


async def test_oauth_6_what_is_compressed_or_too_long_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with answering(path, b"{}", "content-encoding: gzip") as port:
        with pytest.raises(Away) as raised:
            await fetched(f"https://localhost:{port}/")
        assert "compressed" in raised.value.reason
    async with answering(path, b"[" + b" " * 2_000 + b"]") as port:
        assert await fetched(f"https://localhost:{port}/", max_provider_bytes=2_002) == []
        with pytest.raises(Away) as raised:
            await fetched(f"https://localhost:{port}/", max_provider_bytes=2_001)
        assert "more than 2001 bytes" in raised.value.reason
