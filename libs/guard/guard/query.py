"""Query strings: a parameter is given once. It looks at names alone; what a value may be is the route's."""

from collections import Counter
from urllib.parse import parse_qsl

from guard import errors


def require_each_once(query: bytes) -> None:
    """Raises Invalid for parameters that are given more than once (ASVS 15.3.7); what was sent is not repeated.

    Of two values of one name, one reader takes the first and another the last. Asked before the caller is known, so
    that a refusal leaves no event: what cannot be read is no access (invariant 5).
    """
    names = Counter(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    if any(times > 1 for times in names.values()):
        raise errors.Invalid([("/", "A parameter is given once")])
