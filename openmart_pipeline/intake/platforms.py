"""The list of shared platforms: which addresses are a page on somebody else's site.

Loads `platforms.toml` and answers by host and path; it decides nothing about what a domain is.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from openmart_pipeline.intake.refusals import RejectReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One entry of the list, with what its group says about it."""

    entry: str
    path: str
    group: str
    reason: RejectReason
    why: str
    bare_is_company: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformList:
    """Entries by host and by name under any suffix; built once and shared by all files."""

    by_host: Mapping[str, tuple[Platform, ...]]
    by_name: Mapping[str, Platform]
    registries: frozenset[str]
    touched: frozenset[str] = field(repr=False)

    @classmethod
    def bundled(cls, extra: frozenset[str] = frozenset()) -> "PlatformList":
        """Return the shipped list with a team's own hosts added; those are set aside even when bare.

        Raises:
            ValueError: an extra entry is not a host, a host with a path, or `name.*`.

        """
        return _bundled(extra)

    def find(self, host: str, path: str, name: str) -> Platform | None:
        """Return the longest entry that covers the address, or None when it may be a company's own.

        `host` is lower case without `www.`, `path` starts with a slash or is empty, and `name` is the label
        before the public suffix (`amazon` for `smile.amazon.co.uk`).
        """
        labels = host.split(".")
        for start in range(len(labels) - 1):
            for platform in self.by_host.get(".".join(labels[start:]), ()):
                if not platform.path or (path + "/").startswith(platform.path + "/"):
                    return platform
        return self.by_name.get(name)


@cache
def _bundled(extra: frozenset[str]) -> PlatformList:
    text = resources.files("openmart_pipeline.intake").joinpath("platforms.toml").read_text("utf-8")
    document = tomllib.loads(text)
    platforms = [
        _platform(
            entry,
            group=group["name"],
            reason=RejectReason(group["reason"]),
            why=group["why"],
            bare_is_company=group["bare_is_company"],
        )
        for group in document["group"]
        for entry in group["entries"]
    ]
    platforms += [
        _platform(
            entry,
            group="extra platforms",
            reason=RejectReason.SHARED_PLATFORM,
            why="the settings list it as a shared platform",
            bare_is_company=False,
        )
        for entry in sorted(extra)
    ]
    by_host: dict[str, tuple[Platform, ...]] = {}
    by_name: dict[str, Platform] = {}
    for platform in platforms:
        if platform.entry.endswith(".*"):
            by_name[platform.entry.removesuffix(".*")] = platform
        else:
            rivals = (platform, *by_host.get(platform.entry, ()))
            # Longest path first; of two equal ones the later wins: a team's own entry overrides the shipped one.
            by_host[platform.entry] = tuple(sorted(rivals, key=lambda rival: -len(rival.path)))
    return PlatformList(
        by_host=by_host,
        by_name=by_name,
        registries=frozenset(document["registries"]["suffixes"]),
        touched=frozenset(by_host),
    )


def _platform(written: str, *, group: str, reason: RejectReason, why: str, bare_is_company: bool) -> Platform:
    host, slash, path = written.strip().lower().removeprefix("www.").partition("/")
    if "." not in host or not host.strip(".*") or any(sign in host for sign in " :@?#"):
        raise ValueError(
            f"{written!r} is no platform: write a host (example.com), a host with a path (example.com/shops) "
            "or a name under any ending (example.*)"
        )
    return Platform(
        entry=host,
        path=f"/{path.rstrip('/')}" if slash and path.strip("/") else "",
        group=group,
        reason=reason,
        why=why,
        bare_is_company=bare_is_company,
    )
