"""Where the key may be sent, and where the vendor may call back (F29)."""

import pytest

from openmart_pipeline.api.addresses import checked_base_url, checked_notify_url, is_loopback
from openmart_pipeline.api.client import OpenmartClient


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.openmart.ai", "https://api.openmart.ai"),
        ("https://api.openmart.ai/", "https://api.openmart.ai"),
        ("https://gateway.example.com:8443/openmart/", "https://gateway.example.com:8443/openmart"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("https://[2001:db8::1]:444", "https://[2001:db8::1]:444"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_https_anywhere_and_http_on_this_machine_are_accepted(given: str, used: str):
    assert checked_base_url(given) == used


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openmart.ai",
        "//api.openmart.ai",
        "https://",
        "https:///path",
        "ftp://api.openmart.ai",
        "file:///etc/passwd",
        "http://api.openmart.ai",
        "http://192.168.1.5",
        "http://0.0.0.0:8000",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://2130706433",
        "http://0x7f000001",
        "https://127.1",
        "https://0x7f.1",
        "https://user:secret@api.openmart.ai",
        "https://api.openmart.ai@evil.example",
        "https://api.openmart.ai?x=1",
        "https://api.openmart.ai?",
        "https://api.openmart.ai#x",
        "https://api.openmart.ai#",
        "https://evil.example\\@api.openmart.ai",
        "https://api.openmart.ai\n",
        " https://api.openmart.ai",
        "https://api.openmart.ai\x00",
        "https://\u0430pi.openmart.ai",
        "https://api.openmart.ai:0",
        "https://api.openmart.ai:99999",
        "https://api.openmart.ai:secret",
        "https://-a.example",
        "https://a..b",
        "https://[::1",
    ],
)
def test_a_base_url_that_could_take_the_key_elsewhere_is_refused(url: str):
    with pytest.raises(ValueError, match="base URL") as caught:
        OpenmartClient(url, "sk-canary")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://hooks.example.com/openmart?token=1", "https://8.8.8.8:8443/x", "https://[2001:4860:4860::8888]/"],
)
def test_a_public_https_address_may_be_called_back(url: str):
    assert checked_notify_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com",
        "https://localhost/x",
        "https://LOCALHOST/x",
        "https://localhost./x",
        "https://a.localhost",
        "https://intranet",
        "https://printer.local",
        "https://vault.internal",
        "https://127.0.0.1",
        "https://10.0.0.1",
        "https://172.16.9.9",
        "https://192.168.0.1",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1",
        "https://0.0.0.0",
        "https://224.0.0.1",
        "https://255.255.255.255",
        "https://[::1]",
        "https://[fe80::1]",
        "https://[fd00::1]",
        "https://[::ffff:10.0.0.1]",
        "https://[64:ff9b::a00:1]",
        "https://2130706433",
        "https://0x7f.1",
        "https://user:secret@hooks.example.com",
        "https://hooks.example.com#x",
        "https://hooks.example.com/\n",
    ],
)
def test_an_address_that_is_not_public_may_not_be_called_back(url: str):
    with pytest.raises(ValueError, match="notify URL") as caught:
        checked_notify_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1", True),
        ("https://localhost", True),
        ("http://[::1]", True),
        ("https://api.openmart.ai", False),
        ("https://localhost.example", False),
        ("https://10.0.0.1", False),
    ],
)
def test_only_this_machine_is_the_simulated_world(url: str, expected: bool):
    assert is_loopback(url) is expected
