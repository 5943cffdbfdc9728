"""What the FFmpeg of this machine can do, asked without reading anything."""

from collections.abc import Iterable
from contextlib import suppress

import av
import av.error


def decodable(codecs: Iterable[str]) -> frozenset[str]:
    """Those of FFmpeg's decoders, by their names, that are here."""
    found = set()
    for name in codecs:
        with suppress(ValueError):  # UnknownCodecError
            found.add(av.codec.Codec(name, "r").name)
    return frozenset(found)


def speakable(schemes: Iterable[str]) -> frozenset[str]:
    """Those of the schemes that this FFmpeg speaks; nothing is connected to."""
    return frozenset(scheme for scheme in schemes if _is_spoken(scheme))


def ffmpeg_version() -> str:
    """The version of the FFmpeg that PyAV brought, as far as it is told."""
    return str(getattr(av, "ffmpeg_version_info", "")) or "unknown"


def _is_spoken(scheme: str) -> bool:
    try:
        # Refused for not being on the list, if it is known at all
        av.open(f"{scheme}://127.0.0.1:9/", options={"protocol_whitelist": "none"}).close()
    except av.error.ProtocolNotFoundError:
        return False
    except (av.error.FFmpegError, OSError, ValueError):
        return True
    return True
