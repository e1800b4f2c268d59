"""The topics of `topics.yaml` as values. It must never talk to Kafka: creating them is deploy's work."""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

_Principal = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]


class Topic(BaseModel):
    """A topic: `owner` is the one principal that may write, `readers` are those that may read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z_]*(\.[a-z][a-z_]*)+$")]
    owner: _Principal
    readers: tuple[_Principal, ...]
    events: tuple[str, ...]
    partitions: Annotated[int, Field(ge=1)]
    cleanup: Literal["delete", "compact"]
    retention_hours: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _retention_fits_cleanup(self) -> Self:
        if (self.cleanup == "delete") != (self.retention_hours is not None):
            message = "retention_hours goes with cleanup: delete, and only with it"
            raise ValueError(message)
        return self


def _load() -> Mapping[str, Topic]:
    text = files("events").joinpath("topics.yaml").read_text(encoding="utf-8")
    topics = [Topic.model_validate(entry) for entry in yaml.safe_load(text)["topics"]]
    by_name = {topic.name: topic for topic in topics}
    if len(by_name) != len(topics):
        message = "a topic is listed twice in topics.yaml"
        raise ValueError(message)
    return MappingProxyType(by_name)


TOPICS: Mapping[str, Topic] = _load()


def access_topic(service: str) -> Topic:
    """The topic on which `service` alone sends its access events. Raises KeyError if it has none."""
    return TOPICS[f"access.{service}"]


def dead_letters_of(topic: str) -> Topic:
    """Where a record of `topic` goes that cannot be handled. Raises KeyError if there is no such place."""
    return TOPICS[f"{topic}.dlq"]
