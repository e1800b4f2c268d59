"""A language tag, as guests and transcripts carry it. Never a list of known languages: that changes without us."""

from typing import Annotated

from pydantic import Field

# The shape of BCP 47 (RFC 5646 2.1, at most 35 characters as its 4.4.1 advises), not its registry.
Language = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$")]
