"""How intake says no: a file refused whole, or one row set aside with a reason.

No reading and no rules live here, only the words for their outcomes.
"""

from dataclasses import dataclass
from enum import StrEnum


class FileRefused(ValueError):
    """No row of the file was taken; the message tells its owner what is wrong and what to do."""


class RejectReason(StrEnum):
    """Why a row is set aside; the value is the word analysts see in `rejected_rows`."""

    BLANK_DOMAIN = "blank_domain"
    NOT_A_DOMAIN = "not_a_domain"
    SEVERAL_DOMAINS = "several_domains"
    IP_ADDRESS = "ip_address"
    LOCAL_HOST = "local_host"
    FREE_MAIL = "free_mail"
    SHARED_PLATFORM = "shared_platform"
    LINK_SHORTENER = "link_shortener"
    TOO_LONG = "too_long"
    NO_PUBLIC_SUFFIX = "no_public_suffix"
    BAD_LINE = "bad_line"
    BAD_ENCODING = "bad_encoding"
    TITLE_TOO_LONG = "title_too_long"
    TOO_MANY_TITLES = "too_many_titles"
    UNREADABLE_TITLE = "unreadable_title"
    MAX_K_OUT_OF_RANGE = "max_k_out_of_range"
    UNKNOWN_INFO_ACCESS = "unknown_info_access"
    UNKNOWN_VERSION = "unknown_version"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A value that can't be used: the reason to count by, and the sentence to read."""

    reason: RejectReason
    detail: str
