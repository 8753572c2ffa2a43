"""A column of websites becomes a column of domains: plain addresses in one go, the others once per distinct value.

Gives what `domains.normalise_domain` gives for every row; a test holds it to that.
"""

from functools import cache, partial, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from openmart_pipeline.intake.domains import (
    RESERVED_DOMAINS,
    normalise_domain,
    plain_suffixes,
    suffix_set,
)
from openmart_pipeline.intake.platforms import PlatformList
from openmart_pipeline.intake.refusals import Rejected
from openmart_pipeline.intake.text_columns import joined, judged

# A scheme, www., one name, one ending of up to two parts, and a path: nine tenths of real columns are no more.
_PLAIN = (
    r"^[ ]*(?:https?://)?(?:www\.)?(?P<name>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)"
    r"\.(?P<suffix>[a-z]{2,24}|(?:com?|org|net|gov|edu|ac)\.[a-z]{2})(?:/[a-z0-9/_.~%?=&+-]*)?[ ]*$"
)
_MAYBE_INTERNATIONAL = r"^..--"  # xn-- and whatever else may once stand there


class DomainColumns:
    """The rules of a list of platforms, ready for whole columns."""

    def __init__(self, platforms: PlatformList) -> None:
        """Prepare what no plain address may be: an ending, a reserved name, or anything the list knows."""
        self._judge = partial(normalise_domain, platforms=platforms)
        self._suffixes = _plain_suffixes()
        self._names = pa.array(sorted(platforms.by_name), pa.string())
        self._special = pa.concat_arrays([_no_companies(), pa.array(sorted(platforms.touched), pa.string())])

    def normalise(self, column: pa.Array) -> tuple[pa.Array, dict[int, Rejected]]:
        """Return each row's domain, null where there is none, and the rows that name no company's domain, with why."""
        found = pc.extract_regex(pc.ascii_lower(column), _PLAIN)
        names, suffixes = pc.struct_field(found, "name"), pc.struct_field(found, "suffix")
        domains = joined(names, ".", suffixes)
        doubts = (
            pc.invert(pc.is_in(suffixes, value_set=self._suffixes)),
            pc.match_substring_regex(names, _MAYBE_INTERNATIONAL),
            pc.is_in(names, value_set=self._names),
            pc.is_in(domains, value_set=self._special),
        )
        is_other = pc.fill_null(reduce(pc.or_, doubts), fill_value=True)
        rows = np.flatnonzero(is_other.to_numpy(zero_copy_only=False))
        if not rows.size:
            return domains, {}
        others = judged(column.filter(is_other), self._judge)
        complaints = {int(rows[position]): said for position, said in others.complaints().items()}
        return pc.replace_with_mask(domains, is_other, others.texts()), complaints


@cache
def _plain_suffixes() -> pa.Array:
    return pa.array(sorted(plain_suffixes()), pa.string())


@cache
def _no_companies() -> pa.Array:
    return pa.array(sorted(RESERVED_DOMAINS | suffix_set()), pa.string())
