"""Batch: several changes of one collection in one request, each for itself. Called by the generic routes.

Nothing joins them: each is checked, allowed and made as if it came alone, in order, and counts as a request of its own.
The answer tells for each what came of it; one that fails holds none of the others up.
"""

from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from roost.api import kinds as shapes
from roost.api.context import Context
from roost.api.errors import from_kube
from roost.api.limits import refuse_when_spent
from roost.api.objects import Collection, version_of
from roost.kube.errors import KubeError
from roost.model.resource import Model
from roost.surface.problems import Problem, invalid

MAX_ITEMS: Final = 50


class BatchItem(Model):
    """One change."""

    action: Literal["create", "replace", "patch", "delete"]
    name: str = Field("", max_length=63, description="Of the object; a `create` has it in its `object`.")
    object: dict[str, Any] | None = Field(None, description="The body of a `create`, `replace` or `patch`.")
    if_match: str = Field("", max_length=60, description="The ETag that you saw; a `replace` needs it.")


class Batch(Model):
    """Several changes."""

    items: tuple[BatchItem, ...] = Field(min_length=1, max_length=MAX_ITEMS)


class BatchResult(Model):
    """What came of one change."""

    index: int
    action: str
    name: str
    status: int = Field(description="The HTTP status that it would have had alone.")
    object: dict[str, Any] | None = Field(None, description="The object, where there is one.")
    problem: dict[str, Any] | None = Field(None, description="Why it failed.")


class BatchResults(Model):
    """What came of all; in the order of the request."""

    succeeded: int
    failed: int
    results: tuple[BatchResult, ...]


async def run(ctx: Context, there: Collection, batch: Batch, dry_run: bool) -> BatchResults:
    """Make the changes, one after the other."""
    results = []
    for index, item in enumerate(batch.items):
        name = item.name or str(((item.object or {}).get("metadata") or {}).get("name", ""))[:63]
        told: dict[str, Any] = {"index": index, "action": item.action, "name": name}
        try:
            if index:  # The request itself was the first.
                refuse_when_spent(ctx.requests, there.caller.person, "You send more than one person may. Slow down.")
                ctx.requests.take(there.caller.person)
            status, made = await _one(there, item, dry_run)
            results.append(BatchResult(**told, status=status, object=made))
        except Problem as problem:
            results.append(_failed(told, problem, there))
        except KubeError as error:
            results.append(_failed(told, from_kube(error, there.what(name)), there))
        except ValidationError as error:
            detail = f"The object as it stands does not fit its model: {str(error)[:1000]}"
            results.append(_failed(told, Problem("refused", detail), there))
    failed = sum(1 for result in results if result.problem is not None)
    return BatchResults(succeeded=len(results) - failed, failed=failed, results=tuple(results))


def _failed(told: dict[str, Any], problem: Problem, there: Collection) -> BatchResult:
    return BatchResult(**told, status=problem.status, problem=problem.body(there.caller.request_id))


async def _one(there: Collection, item: BatchItem, dry_run: bool) -> tuple[int, dict[str, Any] | None]:
    body, seen = item.object, version_of(item.if_match)
    if item.action == "delete":
        if body is not None:
            raise invalid("object", "A delete has none.")
        await there.delete(item.name, seen, dry_run)
        return 202, None
    if body is None:
        raise invalid("object", f"A {item.action} needs it.")
    if item.action == "create":
        metadata = body.get("metadata")
        if item.name and isinstance(metadata, dict) and metadata.get("name") != item.name:
            raise invalid("name", "It is another than metadata.name.")
        return 201, shapes.shown(await there.create(body, dry_run))
    if item.action == "replace":
        return 200, shapes.shown(await there.replace(item.name, body, seen, dry_run))
    return 200, shapes.shown(await there.patch(item.name, body, seen, dry_run))
