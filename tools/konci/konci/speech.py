"""What is said in the demo's recordings: real speech where Debian's package of it is installed, else a tone."""

import io
import math
import struct
import wave
from pathlib import Path

# Of asterisk-core-sounds-en-wav (CC BY-SA 3.0): 8 kHz, 16 bit, mono, as a telephone exchange records it. The first is
# longer than a segment, so that a seek reads from the middle.
_FOLDER = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
_NAMES = ("demo-instruct.wav", "priv-callee-options.wav", "demo-congrats.wav")
TYPE = "audio/wav"
_RATE = 8_000  # samples a second


def load() -> tuple[list[bytes], str]:
    """WAV files to record, and where they are from."""
    files = [_FOLDER / name for name in _NAMES]
    if all(file.is_file() for file in files):
        return [file.read_bytes() for file in files], "Debian's asterisk-core-sounds-en-wav"
    return [tone(seconds) for seconds in (75, 30, 20)], "a tone (asterisk-core-sounds-en-wav is not installed)"


def tone(seconds: int) -> bytes:
    """A WAV file of a tone that rises, so that no two of its parts are alike."""
    samples = (round(8_000 * math.sin(2 * math.pi * (200 + at / _RATE) * at / _RATE)) for at in range(seconds * _RATE))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, _RATE, 0, "NONE", "not compressed"))
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()
