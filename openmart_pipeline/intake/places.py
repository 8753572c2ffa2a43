"""Countries and states as codes, only where the text leaves no doubt.

A wrong place narrows a paid question to nobody, a missing one costs nothing: doubt means no hint.
"""

import unicodedata
from functools import cache

import pycountry

STATE_COUNTRIES = ("US", "CA", "AU")  # where states are commonly written and their codes commonly understood
_COUNTRY_SPELLINGS = {
    "usa": "US", "us of a": "US", "america": "US", "united states america": "US", "the united states": "US",
    "the united states of america": "US", "uk": "GB", "great britain": "GB", "britain": "GB", "england": "GB",
    "scotland": "GB", "wales": "GB", "northern ireland": "GB", "south korea": "KR", "korea south": "KR",
    "republic of korea": "KR", "north korea": "KP", "russia": "RU", "vietnam": "VN", "czech republic": "CZ",
    "turkey": "TR", "iran": "IR", "syria": "SY", "laos": "LA", "moldova": "MD", "bolivia": "BO",
    "venezuela": "VE", "tanzania": "TZ", "taiwan": "TW", "brunei": "BN", "ivory coast": "CI", "holland": "NL",
    "the netherlands": "NL", "uae": "AE", "hong kong sar": "HK", "macau": "MO", "macedonia": "MK",
    "swaziland": "SZ", "cape verde": "CV", "burma": "MM", "palestine": "PS", "kosovo": "XK",
    "deutschland": "DE", "osterreich": "AT", "schweiz": "CH", "espana": "ES", "italia": "IT", "brasil": "BR",
    "mexico": "MX", "nederland": "NL", "belgique": "BE", "suisse": "CH", "danmark": "DK", "sverige": "SE",
    "norge": "NO", "suomi": "FI", "polska": "PL",
}  # fmt: skip
_STATE_SPELLINGS = {("US", "washington dc"): "DC", ("US", "dc"): "DC", ("CA", "quebec"): "QC"}


def country_code(text: str) -> str | None:
    """Return the two-letter code of a country written as code or name, or None where it is not certain.

    `NA` is None: tables mean "not available" by it far more often than Namibia.
    """
    folded = _fold(text)
    return None if folded == "na" else _countries().get(folded)


def state_code(text: str, country: str | None) -> str | None:
    """Return the state's code where it is a state of that country (US, CA, AU), else None.

    Without a country a state counts when only one of the three countries has it: `Texas` and `TX` do, `WA`
    (Washington, Western Australia) does not.
    """
    folded = _fold(text)
    if country is not None:
        return _states().get((country, folded))
    found = {(home, code) for home in STATE_COUNTRIES if (code := _states().get((home, folded))) is not None}
    return next(iter(found))[1] if len(found) == 1 else None


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(" " if sign in ",-/()" else sign for sign in decomposed if not unicodedata.combining(sign))
    return " ".join(kept.replace(".", "").replace("&", " and ").replace("'", "").replace("\u2019", "").split())


@cache
def _countries() -> dict[str, str]:
    names: dict[str, str] = {}
    for country in pycountry.countries:
        for attribute in ("name", "official_name", "common_name", "alpha_2", "alpha_3"):
            if written := getattr(country, attribute, None):
                names[_fold(written)] = country.alpha_2
    return names | _COUNTRY_SPELLINGS


@cache
def _states() -> dict[tuple[str, str], str]:
    names: dict[tuple[str, str], str] = {}
    for home in STATE_COUNTRIES:
        for state in pycountry.subdivisions:
            if state.country_code != home:
                continue
            code = state.code.split("-", 1)[1]
            names[home, _fold(state.name)] = code
            names[home, _fold(code)] = code
    return names | _STATE_SPELLINGS
