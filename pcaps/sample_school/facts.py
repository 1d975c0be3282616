"""Facts of the made-up school that several scripts share."""

from datetime import date
from pathlib import Path
from random import Random

HERE = Path(__file__).parent / "school"
SCHOOL = "ysgol-enghraifft"
DOMAIN = "ysgol-enghraifft.example"
TERM = (date(2026, 9, 1), date(2026, 12, 18))
SAMPLE_DAY = date(2026, 11, 17)
SEED = 7


def hardware(number: int) -> str:
    """A universally administered hardware address from the range given to virtual machines."""
    return f"00:16:3e:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def private_hardware(number: int) -> str:
    """A randomised (locally administered) hardware address, as phones make them."""
    rng = Random(f"private {number}")
    return ":".join(f"{o:02x}" for o in (0xDA, *(rng.randrange(256) for _ in range(5))))
