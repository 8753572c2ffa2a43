"""A server certificate for the tests that need TLS.

Not here: servers and clients.
Imports nothing from the project.
"""

import ssl
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and api.openmart.invalid that nobody trusts, with its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    names = "subjectAltName=IP:127.0.0.1,DNS:api.openmart.invalid"
    subprocess.run(
        [*command.split(), "-addext", names, "-keyout", f"{path}.key", "-out", path], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.key").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
