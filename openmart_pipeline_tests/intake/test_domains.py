"""What people type as a website, and the domain a question is asked about.

Pure text, no files. `FROZEN` is the normaliser's contract: changing an answer re-keys what was bought.
Uses `intake.domains` and `intake.platforms` only.
"""

# ruff: noqa: RUF001 - letters that look alike are what these cases are about

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openmart_pipeline.intake.companies import Rejected, RejectReason
from openmart_pipeline.intake.domains import (
    NORMALISER_VERSION,
    _normalise_carefully,
    normalise_domain,
)
from openmart_pipeline.intake.platforms import PlatformList

PLATFORMS = PlatformList.bundled()

KEPT = {
    "acme.com": "acme.com",
    "StyleLend.com": "stylelend.com",
    "picktrace.com/company": "picktrace.com",
    "https://WWW.x.co.uk/path?q": "x.co.uk",
    "http://acme.com:8080/": "acme.com",
    "https://user:pw@acme.com/x": "acme.com",
    "user@x.com": "x.com",
    "@x.com": "x.com",
    "mailto:jane@acme.com": "acme.com",
    "Jane Doe <jane@acme.com>": "acme.com",
    "<acme.com>": "acme.com",
    "jane@mail.acme.co.jp": "acme.co.jp",
    " acme.com ": "acme.com",
    "\u200bacme.com\ufeff": "acme.com",
    "\u00a0acme.com": "acme.com",
    '"acme.com"': "acme.com",
    "acme.com.": "acme.com",
    "acme.com,": "acme.com",
    "www.acme.com": "acme.com",
    "www2.acme.com": "acme.com",
    "jobs.eu.acme.com.au": "acme.com.au",
    "http://http://acme.com": "acme.com",
    "http://https://www.acme.com/": "acme.com",
    "http//acme.com": "acme.com",
    "http:/acme.com": "acme.com",
    "https:acme.com": "acme.com",
    "htp://acme.com": "acme.com",
    "//acme.com": "acme.com",
    "ftp://files.acme.com": "acme.com",
    "https:// acme.com": "acme.com",
    "acme.com?utm_source=x": "acme.com",
    "acme.com#top": "acme.com",
    "acme.com\\path": "acme.com",
    "https://acme.com/a b/c": "acme.com",
    "https://acme.com/a,b;c": "acme.com",
    "acme.com, www.acme.com": "acme.com",
    "münchen.de": "xn--mnchen-3ya.de",
    "MÜNCHEN.DE": "xn--mnchen-3ya.de",
    "xn--mnchen-3ya.de": "xn--mnchen-3ya.de",
    "straße.de": "xn--strae-oqa.de",
    "株式会社.jp": "xn--6oqv20b1zgzxr.jp",
    "ａｃｍｅ．ｃｏｍ": "acme.com",
    "acme。com": "acme.com",
    "президент.рф": "xn--d1abbgf6aiiy.xn--p1ai",
    "3m.com": "3m.com",
    "abc.xyz": "abc.xyz",
    "www.com": "www.com",
    "a-b.io": "a-b.io",
    "my_site.acme.com": "acme.com",
    "parliament.uk": "parliament.uk",
    "acme.uk.com": "acme.uk.com",
    "shop.acme.us.com": "acme.us.com",
    "linkedin.com": "linkedin.com",
    "https://www.linkedin.com/": "linkedin.com",
    "https://www.airbnb.com/?ref=list": "airbnb.com",
    "amazon.com": "amazon.com",
    "apple.com": "apple.com",
    "https://www.apple.com/newsroom": "apple.com",
    "jane@facebook.com": "facebook.com",
    "google.com/about": "google.com",
    "cloud.google.com": "google.com",
    "webflow.com": "webflow.com",
    "vercel.app": "vercel.app",
}
REJECTED = {
    "": "blank_domain",
    "   ": "blank_domain",
    "http://": "blank_domain",
    "https://www.": "blank_domain",
    "n/a": "blank_domain",
    "N/A": "blank_domain",
    "#N/A": "blank_domain",
    "-": "blank_domain",
    "\u2014": "blank_domain",
    "none": "blank_domain",
    "TBD": "blank_domain",
    "no website": "blank_domain",
    "http://n/a": "blank_domain",
    "\ufeff": "blank_domain",
    "acme": "not_a_domain",
    "http://url": "not_a_domain",
    "Acme Inc.": "not_a_domain",
    "see acme.com": "not_a_domain",
    "acme..com": "not_a_domain",
    "-acme-.": "not_a_domain",
    "com": "not_a_domain",
    "co.uk": "not_a_domain",
    "acme!.com": "not_a_domain",
    "i❤.ws": "not_a_domain",
    "🙂": "not_a_domain",
    "xn--\u00e4.com": "not_a_domain",
    "xn--a.com": "not_a_domain",
    "=cmd|'/C calc'!A0": "not_a_domain",
    "/about": "not_a_domain",
    "tel:+15551234567": "not_a_domain",
    "jane@": "not_a_domain",
    "acme.com beta.io": "several_domains",
    "https://a.com, https://b.com": "several_domains",
    "a.com;b.com": "several_domains",
    "192.168.0.1": "ip_address",
    "http://8.8.8.8:80/x": "ip_address",
    "http://[2001:db8::1]/": "ip_address",
    "::1": "ip_address",
    "999.1.2.3": "ip_address",
    "localhost": "local_host",
    "http://localhost:3000": "local_host",
    "printer.local": "local_host",
    "acme.example": "local_host",
    "www.example.com": "local_host",
    "jane@gmail.com": "free_mail",
    "gmail.com": "free_mail",
    "yahoo.co.uk": "free_mail",
    "x@hotmail.fr": "free_mail",
    "https://mail.google.com.gmail.com": "free_mail",
    "bit.ly": "link_shortener",
    "https://bit.ly/abc": "link_shortener",
    "m.me/x": "link_shortener",
    "https://lnkd.in/x": "link_shortener",
    "linkedin.com/company/y": "shared_platform",
    "facebook.com/z": "shared_platform",
    "m.facebook.com": "shared_platform",
    "https://angel.co/slidepay": "shared_platform",
    "https://itunes.apple.com/us/app/x/id1?mt=8": "shared_platform",
    "apps.apple.com": "shared_platform",
    "play.google.com/store/apps/details?id=x": "shared_platform",
    "sites.google.com/view/x": "shared_platform",
    "https://www.google.com/maps/place/x": "shared_platform",
    "amazon.co.uk/dp/1": "shared_platform",
    "smile.amazon.de": "shared_platform",
    "https://www.yelp.com/biz/x": "shared_platform",
    "acme.wixsite.com/home": "shared_platform",
    "acme.wordpress.com": "shared_platform",
    "acme.github.io": "shared_platform",
    "acme.myshopify.com": "shared_platform",
    "acme.blogspot.co.uk": "shared_platform",
    "acme.herokuapp.com": "shared_platform",
    "acme.pages.dev": "shared_platform",
    "acme.notion.site": "shared_platform",
    "https://medium.com/@acme": "shared_platform",
    "acme.qqzz": "no_public_suffix",
    "index.html": "no_public_suffix",
    "http://" + "a" * 64 + ".com": "too_long",
    ".".join(["abcdefgh"] * 40) + ".com": "too_long",
    "x" * 3000: "too_long",
}
# One digest over all of the above: a changed answer must come with a new NORMALISER_VERSION.
FROZEN = {1: "6979076c21f887f9"}


def outcome(text):
    answer = normalise_domain(text, platforms=PLATFORMS)
    return answer.reason.value if isinstance(answer, Rejected) else answer


@pytest.mark.parametrize(("text", "domain"), KEPT.items())
def test_an_address_of_a_company_gives_its_registrable_domain(text, domain):
    assert normalise_domain(text, platforms=PLATFORMS) == domain


@pytest.mark.parametrize(("text", "reason"), REJECTED.items())
def test_what_names_no_company_is_set_aside_with_a_reason(text, reason):
    answer = normalise_domain(text, platforms=PLATFORMS)
    assert isinstance(answer, Rejected), answer
    assert answer.reason == reason
    assert 0 < len(answer.detail) < 500
    assert answer.detail.isprintable()


def test_an_answer_never_changes_without_a_new_version_of_the_normaliser():
    answers = "\n".join(f"{text}\t{outcome(text)}" for text in sorted(KEPT))
    assert hashlib.sha256(answers.encode()).hexdigest()[:16] == FROZEN[NORMALISER_VERSION]


@given(st.text(max_size=80))
def test_any_text_has_an_outcome(text):
    answer = normalise_domain(text, platforms=PLATFORMS)
    if isinstance(answer, Rejected):
        assert isinstance(answer.reason, RejectReason)
        assert answer.detail.isprintable()
    else:
        assert answer.isascii()
        assert answer == answer.lower()
        assert "." in answer


LABELS = st.one_of(
    st.sampled_from(["acme", "www", "xn--mnchen-3ya", "amazon", "facebook", "gmail", "blogspot", "github", "a-b", "-a", "co", "com", "1"]),
    st.text("abz019-", min_size=1, max_size=6),
)  # fmt: skip
ENDINGS = st.sampled_from(
    [
        "com",
        "co.uk",
        "de",
        "io",
        "ck",
        "www.ck",
        "github.io",
        "uk.com",
        "com.br",
        "co.nl",
        "xyz",
        "local",
        "example",
        "zz",
        "co.za",
        "kawasaki.jp",
    ]
)
ADDRESSES = st.builds(
    lambda scheme, labels, ending, path: scheme + ".".join([*labels, ending]) + path,
    st.sampled_from(["", "http://", "https://", "HTTPS://www.", "www.", "@", "jane@"]),
    st.lists(LABELS, max_size=3),
    ENDINGS,
    st.sampled_from(["", "/", "/a/b?c=d&e=f", "?x", "/%20", ":80", ".", " ", "/@x", "/a,b.com", "/x b.com"]),
)


@given(ADDRESSES)
@example("HTTPS://www.kawasaki.jp")
def test_the_short_cut_for_plain_addresses_gives_the_careful_answer(address):
    assert normalise_domain(address, platforms=PLATFORMS) == _normalise_carefully(address, platforms=PLATFORMS)


@given(ADDRESSES)
def test_a_domain_is_its_own_domain(address):
    domain = normalise_domain(address, platforms=PLATFORMS)
    if isinstance(domain, str):
        assert normalise_domain(domain, platforms=PLATFORMS) == domain


@pytest.mark.parametrize("entry", ["", "com", "http://x.com", "a b.com", "*.*", "x@y.com"])
def test_an_extra_platform_that_is_no_host_is_refused_by_name(entry):
    with pytest.raises(ValueError, match="is no platform"):
        PlatformList.bundled(frozenset({entry}))


def test_an_extra_platform_is_set_aside_with_all_its_pages():
    platforms = PlatformList.bundled(frozenset({"shops.io", "acme.com/stores", "bazaar.*"}))
    for text in ["shops.io", "a.shops.io", "www.acme.com/stores/7", "bazaar.co.uk", "x.bazaar.de"]:
        answer = normalise_domain(text, platforms=platforms)
        assert isinstance(answer, Rejected), text
        assert answer.reason is RejectReason.SHARED_PLATFORM
    assert normalise_domain("acme.com/storestory", platforms=platforms) == "acme.com"
