"""Content-Encoding undone within a bound: what arrives small must not become large in memory.

Not here: how many bytes an answer may have (`transport`).
"""

import zlib
from collections.abc import Iterator, Mapping

_PIECE_BYTES = 2**20  # decoded at a time
_AS_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_READABLE = ("gzip", "x-gzip", "deflate")


class UndecodableError(Exception):
    """The body has an encoding that is not undone here, or is not what its encoding says; part of a sentence."""


class Decoder:
    """Undoes the encoding of one answer's body, a piece at a time.

    We ask for none (`Accept-Encoding: identity`). One layer of gzip or deflate is undone all the same, since a proxy
    may add it; two layers, which make gigabytes of kilobytes, are refused, like every other encoding.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Read which encoding it is.

        Raises:
            UndecodableError: more than one, or another.

        """
        named = [name.strip().lower() for name in headers.get("content-encoding", "").split(",")]
        layers = [name for name in named if name not in ("", "identity")]
        if len(layers) > 1:
            raise UndecodableError(f"the answer is encoded {len(layers)} times over, which is refused")
        if layers and layers[0] not in _READABLE:
            raise UndecodableError("the answer is in an encoding that was not asked for")
        self._zlib = zlib.decompressobj(_AS_GZIP_OR_ZLIB) if layers else None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk decodes to, never more than a megabyte at once: the caller may stop at any piece.

        Raises:
            UndecodableError: it is not what its encoding says.

        """
        if self._zlib is None:
            yield chunk
            return
        try:
            while chunk:
                yield self._zlib.decompress(chunk, _PIECE_BYTES)
                chunk = self._zlib.unconsumed_tail
        except zlib.error:
            raise UndecodableError("the answer is not what its Content-Encoding says") from None
