"""Who works where: the same made-up people for the same company and title, for ever.

No request and no price lives here: the people a question finds, in the vendor's words (API section 4).
"""

from hashlib import blake2b

from openmart_pipeline.simulator import names
from openmart_pipeline.simulator.exchange import JsonObject, JsonValue

MOST_PEOPLE = 8  # the vendor's own limit for max_k
DEFAULT_TITLE = "owner"  # what the server may put in for an empty title (API section 1)
# How many people a question finds, each as likely: a sixteenth of them all eight, three sixteenths none.
COUNTS = (0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8)

# Shares of 256.
BARREN_COMPANIES = 16
COMPANIES_WITH_A_FOUNDER = 64
PEOPLE_WITH_EMAIL = 205
VERIFIED_EMAILS = 210
EMAILS_ELSEWHERE = 20
PEOPLE_WITH_LINKEDIN = 200
PEOPLE_WITH_EXTRAS = 40
VALID_PHONES = 220

_ABBREVIATIONS = frozenset({"ceo", "cfo", "cmo", "cto", "coo", "cro", "vp", "svp", "evp", "hr", "it", "pr"})
_SMALL_WORDS = frozenset({"of", "and", "the", "for", "in", "at"})
_PHONES = (0, 0, 0, 1, 1, 1, 1, 2)  # how many phones a person has, each as likely


def fold_title(title: str) -> str:
    """Case and spacing make no difference to whom a title means."""
    return " ".join(title.casefold().split()) or DEFAULT_TITLE


def bare_domain(domain: str) -> str:
    """Give the one form of a domain, for which the docs show `acme.com` and `@acme.com` (API section 1)."""
    return domain.strip().lower().removeprefix("@")


def people_at(domain: str, title: str, *, max_k: int, email: bool, phone: bool) -> list[JsonObject]:
    """Give the first `max_k` of the people found: a wider question finds the same ones first.

    `email` and `phone` say what is looked up; what is not looked up is not there.
    """
    domain, title = bare_domain(domain), fold_title(title)
    company = _digest(domain)
    if company[0] < BARREN_COMPANIES:
        return []
    count = min(COUNTS[_digest(domain, title)[0] % len(COUNTS)], max_k)
    found = [_person(domain, title, rank, email=email, phone=phone) for rank in range(count)]
    if found and company[1] < COMPANIES_WITH_A_FOUNDER:
        # The one person whom every question about this company finds.
        found[0] = _person(domain, "founder & ceo", 0, email=email, phone=phone)
    return found


def _person(domain: str, title: str, rank: int, *, email: bool, phone: bool) -> JsonObject:
    dice = _digest(domain, title, str(rank))
    first, plain_first = names.FIRST_NAMES[dice[0] % len(names.FIRST_NAMES)]
    last, plain_last = names.LAST_NAMES[dice[1] % len(names.LAST_NAMES)]
    person: JsonObject = {"first_name": first, "last_name": last, "title": _title(title, rank, dice[2])}
    if email and dice[3] < PEOPLE_WITH_EMAIL:
        local = (f"{plain_first}.{plain_last}", f"{plain_first[0]}{plain_last}", plain_first)[dice[5] % 3]
        if dice[4] < EMAILS_ELSEWHERE:
            address = f"{local}.{dice[:3].hex()}@gmail.com"
        else:
            # Ranks tell namesakes of one company apart, as companies do.
            address = f"{local}{rank + 1 if rank else ''}@{domain}"
        person["email"] = {"email": address, "verified": dice[6] < VERIFIED_EMAILS}
    else:
        person["email"] = None
    if phone:
        person["phones"] = [_phone(dice[8 + 3 * i : 11 + 3 * i]) for i in range(_PHONES[dice[7] % 8])]
    elif dice[7] % 2:
        person["phones"] = []
    if dice[14] < PEOPLE_WITH_LINKEDIN:
        person["linkedin_url"] = f"https://linkedin.com/in/{plain_first}-{plain_last}-{dice[:4].hex()}"
    elif dice[14] % 2:
        person["linkedin_url"] = None
    if dice[15] < PEOPLE_WITH_EXTRAS:
        person["seniority"] = "director"
        person["match_score"] = dice[15] / 256
    return person


def _phone(dice: bytes) -> JsonValue:
    number = names.PHONE_SHAPES[dice[0] % len(names.PHONE_SHAPES)]
    return {
        "phone_number": number.format(names.FICTIONAL_FROM + dice[1] % 100),
        "line_type": names.LINE_TYPES[dice[2] % len(names.LINE_TYPES)],
        "valid": dice[1] < VALID_PHONES,
    }


def _title(title: str, rank: int, die: int) -> JsonValue:
    if rank and not die % 16:
        return None
    words = [
        word.upper() if word in _ABBREVIATIONS else word if word in _SMALL_WORDS else word.capitalize()
        for word in title.split()
    ]
    prefix = ("", "", "Senior ", "Deputy ")[die % 4] if rank else ""
    return prefix + " ".join(words)


def _digest(*parts: str) -> bytes:
    return blake2b("\x1f".join(parts).encode(), digest_size=16).digest()
