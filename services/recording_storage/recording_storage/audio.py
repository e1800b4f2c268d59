"""Whether a body is the audio that its media type says, whole, and how long it plays; told while it streams by.

It holds one page or frame at a time, whatever is sent, and raises NotAudio and nothing else. It decodes nothing.
mutagen, which knows these formats well, reads a file to and fro: the audio would have to lie somewhere in clear first.
"""

from collections.abc import Callable, Mapping

from recording_storage.media import flac, mpeg, ogg, wav
from recording_storage.media.reading import Cut, NotAudio, Reading

__all__ = ["LONGEST", "TYPES", "Examiner", "NotAudio"]

TYPES: Mapping[str, Callable[[], Reading]] = {
    "audio/wav": wav.read,
    "audio/ogg": ogg.read,
    "audio/mpeg": mpeg.read,
    "audio/flac": flac.read,
}
LONGEST = 7 * 24 * 3600 * 1000  # ms: no call lasts a week, and what says so lies


class Examiner:
    """Takes one body in pieces of any size; each byte is looked at once, or passed over."""

    def __init__(self, media_type: str) -> None:
        """Raises NotAudio when `media_type` is none of TYPES."""
        if media_type not in TYPES:
            raise NotAudio("The media type is none of " + ", ".join(TYPES) + ".")
        self._reading = TYPES[media_type]()
        self._wants = next(self._reading)
        self._held = bytearray()
        self._is_empty = True

    def pass_over(self, length: int) -> bool:
        """Takes the next `length` bytes unseen when none of them matters, as of a WAV's samples; whether it did."""
        if self._held or length >= -self._wants:
            return False
        self._wants += length
        return True

    def feed(self, chunk: bytes) -> None:
        """The next bytes. Raises NotAudio as soon as it is known."""
        self._held += chunk
        self._is_empty = self._is_empty and not chunk
        if len(self._held) < self._wants:
            return
        held, at, wants = bytes(self._held), 0, self._wants  # a slice of bytes is one copy, of a bytearray two
        while True:
            end = at + abs(wants)
            if end > len(held):
                break
            wants, at = self._send(held[at:end]), end
        if wants < 0:
            wants, at = wants + len(held) - at, len(held)
        self._held = bytearray(held[at:])
        self._wants = wants

    def finish(self) -> int:
        """The duration, in milliseconds. Raises NotAudio."""
        if self._is_empty:
            raise NotAudio("It is empty.")
        piece, wants = bytes(self._held), self._wants
        try:
            while wants >= 0:
                wants = self._reading.send(piece)
                piece = b""
        except StopIteration as done:
            duration: int | None = done.value
            if duration is None:
                raise NotAudio("It was refused before.") from None
            if duration > LONGEST:
                raise NotAudio("It says that it lasts for more than a week.") from None
            return duration
        raise Cut  # there is less than what it wanted to pass over

    def _send(self, piece: bytes) -> int:
        try:
            return self._reading.send(piece)
        except StopIteration:
            raise NotAudio("It was refused before.") from None
