"""The base of every kind: frozen pydantic models that CRDs, OpenAPI, help and reference pages are generated from.

Python names are snake_case, the wire is camelCase. `Model.wire()` gives the JSON-ready dict.
"""

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from roost.model.names import API_VERSION


class Model(BaseModel):
    """Frozen, strict about unknown fields (a misspelt field is an error, not silence)."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def wire(self) -> dict[str, Any]:
        """The JSON-ready dict in camelCase; None and unset optional fields are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def essence(self) -> dict[str, Any]:
        """What differs from the defaults: what digests are taken of. A Roost that knows more fields finds the same."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


class ConditionStatus(Model):
    """A condition as Kubernetes writes it."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    type: str = Field(max_length=60, description="What the condition speaks of, e.g. Ready.")
    status: Literal["True", "False", "Unknown"]
    reason: str = Field("", max_length=100, description="One CamelCase word for machines.")
    message: str = Field("", max_length=2000, description="Why, and what to do, for a person.")
    last_transition_time: str | None = Field(None, max_length=40)
    observed_generation: int | None = None


class InventoryItem(Model):
    """An object that was applied, so that it can be pruned by uid."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    api_version: str = Field(max_length=100)
    kind: str = Field(max_length=63)
    namespace: str | None = Field(None, max_length=63)
    name: str = Field(max_length=253)
    uid: str = Field(max_length=63)
    identity: str = Field("platform", max_length=60, description="Who applied it, and so who removes it.")


class StatusModel(Model):
    """A status: what the kernel writes beside the kind's own fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    observed_generation: int | None = Field(None, description="The generation of the spec that this status speaks of.")
    conditions: tuple[ConditionStatus, ...] = Field((), max_length=20, description="What is true, and why.")
    inventory: tuple[InventoryItem, ...] = Field((), max_length=400, description="What this object owns.")


class Metadata(BaseModel):
    """The part of ObjectMeta that Roost reads; the rest passes by."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()


class Resource(BaseModel):
    """An object of one of our kinds. Subclasses set `spec` and `status` to their models and the class variables."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    KIND: ClassVar[str]
    PLURAL: ClassVar[str]
    NAMESPACED: ClassVar[bool] = True
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ()
    # (column, JSONPath, type) of `kubectl get`, as in additionalPrinterColumns.
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    # CEL rules on the whole object: (rule, message).
    RULES: ClassVar[tuple[tuple[str, str], ...]] = ()

    metadata: Metadata = Metadata()

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Self:
        """An object as kube-apiserver gave it; pydantic.ValidationError where it does not fit."""
        return cls.model_validate({key: raw[key] for key in ("metadata", "spec", "status") if key in raw})

    @classmethod
    def manifest(cls, name: str, spec: Model, namespace: str | None = None, **metadata: Any) -> dict[str, Any]:
        """A manifest of this kind, ready to be applied. `metadata`: labels, annotations ..."""
        meta: dict[str, Any] = {"name": name, **metadata}
        if namespace is not None:
            meta["namespace"] = namespace
        return {"apiVersion": API_VERSION, "kind": cls.KIND, "metadata": meta, "spec": spec.wire()}
