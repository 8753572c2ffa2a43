"""Which addresses may be used: where the key is sent, and where the vendor may call back.

Not here: opening connections, reading settings.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

# Only what every URL parser reads alike: no backslash, space, control or non-ASCII character that one
# parser takes for part of the host and the next one doesn't.
MAX_URL_CHARS = 2_048
_PLAIN_URL = re.compile(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_LOOKS_NUMERIC = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)")  # 127.1 or 0x7f000001: resolvers read these as IPv4
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("2002::/16"))  # an IPv4 address inside, perhaps a private one
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".corp")


def checked_base_url(url: str) -> str:
    """Return the API's address without a trailing slash, after checking that the key may be sent there.

    https everywhere; plain http to this machine only, for the simulator. A path is allowed, for gateways.

    Raises:
        ValueError: with one sentence that says what is wrong.

    """
    parts = _checked_parts(url, "The base URL")
    if parts.query or "?" in url:
        raise ValueError("The base URL must not have a query: give the address alone.")
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError(
            "The base URL must start with https://, otherwise the API key travels unprotected; "
            "http:// is accepted for this machine only (127.0.0.1, ::1, localhost)."
        )
    return url.rstrip("/")


def checked_notify_url(url: str) -> str:
    """Return the call-back address as given, after checking that it is a public https address.

    Names are not looked up: the vendor calls, from a network we don't know.

    Raises:
        ValueError: with one sentence that says what is wrong.

    """
    parts = _checked_parts(url, "The notify URL")
    if parts.scheme != "https":
        raise ValueError("The notify URL must start with https://: completions name what was bought.")
    host = parts.hostname or ""
    address = _ip(host)
    if address is not None:
        is_translated = any(address in network for network in _TRANSLATED)
        is_public = address.is_global and not address.is_multicast and not is_translated
    else:
        name = host.rstrip(".")
        is_public = "." in name and not name.endswith(_PRIVATE_SUFFIXES)
    if not is_public:
        raise ValueError(
            "The notify URL must have a public host: the vendor can't reach localhost, private or link-local addresses."
        )
    return url


def is_loopback(url: str) -> bool:
    """Whether the address is this machine: 127.0.0.0/8, ::1 or localhost, written as such."""
    host = urlsplit(url).hostname or ""
    address = _ip(host)
    return host == "localhost" if address is None else address.is_loopback


def _checked_parts(url: str, what: str) -> SplitResult:
    """Split a URL that every parser splits alike. The URL itself is not quoted: it may hold a password."""
    if len(url) > MAX_URL_CHARS:
        raise ValueError(f"{what} has {len(url):,} characters, more than the {MAX_URL_CHARS:,} that servers take.")
    if not _PLAIN_URL.fullmatch(url):
        raise ValueError(f"{what} is empty or has characters that don't belong in a URL.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{what} can't be read: its host or port is malformed.") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{what} must start with https://.")
    if "@" in parts.netloc:
        raise ValueError(f"{what} must not carry a user name or password.")
    if parts.fragment or "#" in url:
        raise ValueError(f"{what} must not have a fragment (#).")
    if not host or port == 0 or (_ip(host) is None and not _is_host_name(host)):
        raise ValueError(f"{what} has no valid host.")
    return parts


def _is_host_name(host: str) -> bool:
    name = host.removesuffix(".")
    return _HOST_NAME.fullmatch(name) is not None and _LOOKS_NUMERIC.fullmatch(name) is None


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
