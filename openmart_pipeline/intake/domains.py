"""From what people type as a website to the domain a question is asked about, or the reason why not.

No files, no frames, no network: the public suffix list is the one bundled with tldextract.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import cache

import idna
import tldextract
from tldextract.tldextract import ExtractResult

from openmart_pipeline.intake.platforms import PlatformList
from openmart_pipeline.intake.refusals import Rejected, RejectReason

# Part of what makes a question: raise it whenever the same text may give another domain, so that the ledger
# re-keys what is owned instead of buying it again. That includes a newer bundled suffix list.
NORMALISER_VERSION = 1

MAX_DOMAIN_CHARS = 253  # of a host name in text form, RFC 1035
MAX_LABEL_CHARS = 63  # RFC 1035
MAX_TEXT_CHARS = 2_048  # the longest address browsers agree on; more is a pasted document

BLANK_WORDS = frozenset(
    {
        *("n/a", "na", "n.a.", "n.a", "none", "null", "nil", "nan", "undefined", "tbd", "tba", "unknown", "missing"),
        *("-", "--", "---", "\u2013", "\u2014", ".", "..", "?", "??", "x", "xx", "xxx", "no", "blank", "empty"),
        *("#n/a", "#ref!", "#value!", "#name?", "not available", "not applicable", "not-available"),
        *("no website", "no web site", "no site", "no url", "coming soon"),
    }
)
LOCAL_SUFFIXES = frozenset(
    {
        *("localhost", "local", "test", "example", "invalid", "onion", "arpa"),  # RFC 2606, 6761, 6762, 7686
        *("localdomain", "lan", "home", "internal", "intranet", "corp", "private"),  # inside networks
    }
)
RESERVED_DOMAINS = frozenset({"example.com", "example.net", "example.org"})  # RFC 2606: nobody's

_EDGES = (
    " \t\r\n\v\f\u00a0\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "'\"`\u201c\u201d\u2018\u2019\u00ab\u00bb<>()[]{},;"
)
_PLAIN = re.compile(
    r"(?:https?://)?(?:www\.)?((?!..--)[a-z0-9][a-z0-9-]{0,62}(?<!-))"
    r"\.([a-z]{2,24}|(?:com?|org|net|gov|edu|ac)\.[a-z]{2})(?:/[a-z0-9/_.~%?=&+-]*)?"
)
_SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]{1,15}:\s*/{2,}|h?t{1,3}ps?\s*[:;.]*\s*/{1,3}[:/]*|https?:|mailto:|//+)\s*")
_ADDRESSED = re.compile(r"[^<>]*<\s*([^<>\s]+)\s*>\s*")
_ASCII_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_BETWEEN = re.compile(r"[\s,;|]+|\s+(?:and|or|/)\s+")


@dataclass(frozen=True, slots=True)
class _Address:
    host: str
    path: str

    @property
    def is_bare(self) -> bool:
        return not self.path.strip("/")


def normalise_domain(text: str, *, platforms: PlatformList) -> str | Rejected:
    """Return the registrable domain, lower case and in punycode, or why the text names no company's domain.

    The rule for subdomains: any host below a company's domain means the company (`jobs.acme.co.uk` is
    `acme.co.uk`). The rule for platforms: the bare domain is the platform's own company, anything else on it
    is a page; free mail and link shorteners are always set aside. The rule for private public suffixes: those
    sold like country codes (`acme.uk.com`) count as suffixes, all others (`acme.github.io`) are shared hosting.
    """
    quick = _PLAIN.fullmatch(text.strip().lower())
    if quick is not None and _is_ordinary(quick[1], quick[2], platforms):
        return f"{quick[1]}.{quick[2]}"
    return _normalise_carefully(text, platforms=platforms)


def _normalise_carefully(text: str, *, platforms: PlatformList) -> str | Rejected:
    """Give the same answer as `normalise_domain` without its short cut for the plain nine tenths."""
    if len(text) > MAX_TEXT_CHARS:
        return Rejected(
            RejectReason.TOO_LONG,
            f"{len(text):,} characters, where a web address has at most {MAX_TEXT_CHARS:,}",
        )
    cleaned = text.strip(_EDGES).lower() if "<" not in text else text.strip(_EDGES.replace("<", "")).lower()
    if (addressed := _ADDRESSED.fullmatch(text.strip().lower())) is not None:
        cleaned = addressed[1]
    if not cleaned or cleaned in BLANK_WORDS:
        return Rejected(RejectReason.BLANK_DOMAIN, "no website is given")
    cleaned = _without_scheme(cleaned)
    if not cleaned.strip("./:") or cleaned.strip("./:") in BLANK_WORDS | {"www"}:
        return Rejected(RejectReason.BLANK_DOMAIN, f"{_shown(text)} has no host in it")
    if _is_ip_address(cleaned):
        return Rejected(RejectReason.IP_ADDRESS, f"{_shown(cleaned)} is an IP address: give the company's domain")
    parts = [part for part in _BETWEEN.split(cleaned) if part]
    if len(parts) > 1:
        return _one_of(parts, text, platforms)
    return _judge(_split(cleaned), text, platforms)


def _without_scheme(text: str) -> str:
    """Drop `https://`, its usual misspellings and repetitions."""
    for _ in range(3):  # "http://https://acme.com" is what a prefilled form makes of a pasted address
        shorter = _SCHEME.sub("", text, count=1) if _SCHEME.match(text) else text
        if shorter == text:
            break
        text = shorter
    return text


def _one_of(parts: list[str], text: str, platforms: PlatformList) -> str | Rejected:
    """Accept several addresses only when they mean one domain; never choose between companies."""
    judged = [_judge(_split(_without_scheme(part)), part, platforms) for part in parts if "." in part]
    domains = list(dict.fromkeys(answer for answer in judged if isinstance(answer, str)))
    has_path = "/" in parts[0]
    words = [part for part in parts if "." not in part]
    if words and not has_path:
        return Rejected(RejectReason.NOT_A_DOMAIN, f"{_shown(text)} is words, not a web address")
    if len(domains) > 1:
        return Rejected(
            RejectReason.SEVERAL_DOMAINS,
            f"names {', '.join(map(_shown, domains[:3]))}: keep one per row, or give each its own row",
        )
    if has_path and judged:
        return judged[0]
    if domains and all(isinstance(answer, str) for answer in judged):
        return domains[0]
    return Rejected(RejectReason.NOT_A_DOMAIN, f"{_shown(text)} is not one web address")


def _split(address: str) -> _Address:
    """Cut an address without scheme into host and path; user names, ports and queries are dropped."""
    before_query = re.split(r"[?#]", address, maxsplit=1)[0]
    host = re.split(r"[/\\]", before_query, maxsplit=1)[0]
    path = before_query[len(host) :]
    host = host.rsplit("@", 1)[-1]
    if not host.startswith("["):
        host = re.sub(r":\d*$", "", host)
    return _Address(host.strip(_EDGES.replace("[", "").replace("]", "") + ".:"), path)


def _judge(address: _Address, text: str, platforms: PlatformList) -> str | Rejected:
    """Return the registrable domain of one address, or why the address stands for no company."""
    if not address.host:
        return Rejected(RejectReason.NOT_A_DOMAIN, f"{_shown(text)} has no host in it")
    if _is_ip_address(address.host):
        return Rejected(RejectReason.IP_ADDRESS, f"{_shown(address.host)} is an IP address: give the company's domain")
    host = _ascii_host(address.host)
    if isinstance(host, Rejected):
        return host
    registered = _registry_suffixes()(host)
    if (complaint := _complain_of_name(host, registered, text)) is not None:
        return complaint
    return _company_behind(host, registered.top_domain_under_public_suffix, address, platforms)


def _complain_of_name(host: str, found: ExtractResult, text: str) -> Rejected | None:
    """Return why nobody can have registered this name, or None when somebody can."""
    labels = host.split(".")
    if labels[-1] in LOCAL_SUFFIXES or ".".join(labels[-2:]) in RESERVED_DOMAINS:
        return Rejected(RejectReason.LOCAL_HOST, f"{_shown(host)} is a name for tests or for inside a network")
    if not found.suffix and len(labels) == 1:
        return Rejected(RejectReason.NOT_A_DOMAIN, f"{_shown(text)} is a word without an ending such as .com")
    if not found.suffix:
        return Rejected(RejectReason.NO_PUBLIC_SUFFIX, f"{_shown(host)} has no ending that domains can have")
    if not found.domain:
        return Rejected(RejectReason.NOT_A_DOMAIN, f"{_shown(host)} is an ending that many domains share, not a domain")
    return None


def _company_behind(host: str, registered: str, address: _Address, platforms: PlatformList) -> str | Rejected:
    """Return the domain by the rules for subdomains, platforms and private suffixes."""
    host = host if host == registered else host.removeprefix("www.")
    is_bare = address.is_bare and host == registered
    platform = platforms.find(host, address.path, name=registered.split(".", 1)[0])
    if platform is not None and not (platform.bare_is_company and is_bare):
        where = f"{_shown(host + address.path)} is on {platform.entry}{platform.path} ({platform.group})"
        return Rejected(platform.reason, f"{where}: {platform.why}")
    found = _suffixes()(host)
    if platform is None and found.is_private and not is_bare:
        if found.suffix in platforms.registries and found.domain:
            return registered if found.domain == "www" else found.top_domain_under_public_suffix
        where = f"{_shown(host)} is a customer's address on {found.suffix} (shared hosting)"
        return Rejected(RejectReason.SHARED_PLATFORM, f"{where}: give the company's own domain")
    return registered


def _ascii_host(host: str) -> str | Rejected:
    """Return the host in lower-case punycode (UTS 46, IDNA 2008), or why it can't be one."""
    shown = _shown(host)
    if not host.isascii():
        try:
            host = idna.uts46_remap(host, std3_rules=False, transitional=False)
            labels = [label if label.isascii() else idna.alabel(label).decode("ascii") for label in host.split(".")]
        except idna.IDNAError:
            return Rejected(RejectReason.NOT_A_DOMAIN, f"{shown} has characters that no domain can have")
        host = ".".join(labels).strip(".")
    if len(host) > MAX_DOMAIN_CHARS or any(len(label) > MAX_LABEL_CHARS for label in host.split(".")):
        return Rejected(
            RejectReason.TOO_LONG,
            f"{shown} is longer than a domain can be ({MAX_DOMAIN_CHARS} characters, {MAX_LABEL_CHARS} between dots)",
        )
    for label in host.split("."):
        if not _ASCII_LABEL.fullmatch(label):
            return Rejected(RejectReason.NOT_A_DOMAIN, f"{shown} is not written as a domain")
        if label.startswith("xn--"):
            try:
                idna.ulabel(label)
            except idna.IDNAError:
                return Rejected(RejectReason.NOT_A_DOMAIN, f"{shown} is not a valid international domain")
    return host


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        return bool(re.fullmatch(r"[\d.]+", host)) and "." in host
    return True


def _is_ordinary(name: str, suffix: str, platforms: PlatformList) -> bool:
    """Whether `name.suffix` needs no list but the one of plain endings."""
    domain = f"{name}.{suffix}"
    return (
        suffix in plain_suffixes()
        and domain not in suffix_set()
        and domain not in platforms.touched
        and name not in platforms.by_name
        and domain not in RESERVED_DOMAINS
    )


@cache
def _suffixes() -> tldextract.TLDExtract:
    """Return the extractor over the list bundled with the package: no download, no cache on disk."""
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


@cache
def suffix_set() -> frozenset[str]:
    """Return every entry of the list, wildcards without their star: no name of a company is one without a doubt."""
    return frozenset(_suffixes().tlds) | _wild_suffixes()


@cache
def plain_suffixes() -> frozenset[str]:
    """Return the endings under which name.ending is registrable: no private ones, no wildcard rules (`*.ck`)."""
    registered, wild = _registry_suffixes().tlds, _wild_suffixes()
    return frozenset(suffix for suffix in registered if suffix.isascii() and suffix not in wild) - LOCAL_SUFFIXES


@cache
def _wild_suffixes() -> frozenset[str]:
    """Return what stands behind a wildcard rule: of `*.kawasaki.jp` only names two levels below are registrable."""
    return frozenset(suffix.removeprefix("*.") for suffix in _registry_suffixes().tlds if suffix.startswith("*."))


@cache
def _registry_suffixes() -> tldextract.TLDExtract:
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def _shown(text: str, limit: int = 80) -> str:
    """Return the text on one short line, for a sentence."""
    line = " ".join(text.split())
    return repr(line if len(line) <= limit else line[: limit - 1] + "…")
