"""Who made what a Promotion brings: asked where an environment wants four eyes. Reads only, no decisions.

    who brings it here, and in whose name
    who pushed, started or repeated a run that built this very image: its name alone could be borrowed
    who pushed what lies between the image that is there now and this one
    who changed how the project builds since then
    who wrote the commits between the two, by the mail addresses of accounts

What a Promotion or an App says of its own commit counts for nothing, since people write these. An image is told by its
digest: the Runs that built it are the controller's word, and where they are forgotten, its signature is.
"""

import asyncio
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from roost.adapters import history
from roost.adapters.history import HistoryUnknown
from roost.adapters.registry import RegistryFailed
from roost.capabilities.promotion.model import Makers
from roost.kube.reader import Object, Reader
from roost.model import names
from roost.model.contributors import ELSEWHERE, HERE, Written, persons, told
from roost.model.kinds.app import AppSpec
from roost.model.kinds.delivery import Project, Promotion, Run
from roost.model.kinds.people import User
from roost.settings import Settings
from roost.surface import fetch_token, signatures
from roost.surface.signatures import SignatureRefused
from roost.surface.signing import open_registry, read_key, subject_of

LASTS: Final = timedelta(minutes=2)
MOST_ENDS: Final = 20


@dataclass(frozen=True)
class Origin:
    """A run that built an image. order: which move of the project it was; 0 and no people: only a signature says so."""

    project: str
    commit: str
    order: int = 0
    created: str = ""
    ref: str = ""
    cause: str = ""
    people: tuple[str, ...] = ()


def _origin(run: Object) -> Origin:
    spec, meta = run["spec"], run["metadata"]
    said = (meta.get("annotations") or {}).get(names.AUTHOR, "")
    return Origin(
        project=spec["project"],
        commit=spec["commit"],
        order=spec.get("sequence") or spec.get("attempt") or 1,
        created=meta.get("creationTimestamp") or "",
        ref=spec.get("ref") or "",
        cause=spec.get("cause") or "",
        people=(spec.get("author") or "", said, *(spec.get("repeatedBy") or ())),
    )


def _digest(image: str) -> str:
    return image.rpartition("@")[2]


def _built(runs: Iterable[Object], image: str) -> list[Origin]:
    """The runs that built it, in their order."""
    digest = _digest(image)
    found = [
        run for run in runs if _digest(((run.get("status") or {}).get("artefact") or {}).get("image", "")) == digest
    ]
    return sorted((_origin(run) for run in found), key=lambda item: (item.order, item.created))


def _attested(settings: Settings, image: str) -> list[Origin]:
    """What the signatures of an image say of where it is from; nothing where there is none by the key of today."""
    key, subject = read_key(settings), subject_of(image, settings.registry)
    if key is None or subject is None:
        return []
    try:
        with closing(open_registry(settings, subject.repository, "pull")) as registry:
            claims = signatures.verify(registry, key.public, subject)
    except SignatureRefused:
        return []
    except (RegistryFailed, OSError) as error:
        raise HistoryUnknown("its signature says where it is from, and the registry does not answer now") from error
    return [Origin(item["project"], item["commit"]) for item in claims if item.get("project") and item.get("commit")]


async def _origins(settings: Settings, runs: Iterable[Object], image: str) -> list[Origin]:
    return _built(runs, image) or await asyncio.to_thread(_attested, settings, image)


def _between(runs: Iterable[Object], base: Origin | None, last: Origin) -> set[str]:
    """Who pushed what came after the base, up to this run, to the same ref."""
    moves = [_origin(run) for run in runs if run["spec"]["project"] == last.project]
    after = base.order if base is not None else last.order
    found = [
        item for item in moves if item.cause == "push" and item.ref == last.ref and after < item.order <= last.order
    ]
    return {person for item in found for person in item.people}


async def _edited(reader: Reader, space: str, project: str, since: str) -> set[str]:
    """Who changed how it builds since then; empty `since`: ever."""
    raw = await reader.get(names.API_VERSION, Project.KIND, project, space)
    edits = Project.parse(raw).status.edits if raw else ()
    return {edit.person for edit in edits if edit.at >= since}


async def accounts(reader: Reader) -> dict[str, list[str]]:
    """People by the mail address of their account, in lower case, and by their id."""
    found: dict[str, list[str]] = {}
    for raw in await reader.list(names.API_VERSION, User.KIND):
        name = raw["metadata"]["name"]
        for key in {name, str((raw.get("spec") or {}).get("mail") or "").strip().lower()} - {""}:
            found.setdefault(key, []).append(name)
    return found


async def _written(
    reader: Reader, settings: Settings, tenant: str, promotion: Promotion, question: Written
) -> tuple[Written, set[str]]:
    """(who wrote it, as far as that is told; who of them is somebody here). HistoryUnknown."""
    known = await accounts(reader)
    before = promotion.status.written
    if before is not None and before.asked == question.asked:
        return before, {who for item in before.people for who in (item.person, *persons(item.mail, known))}
    where = (tenant, question.project)
    try:
        secret = Path(settings.git_secret).read_text().strip()
    except OSError as error:
        raise HistoryUnknown("the controller has no key to the git server") from error
    token = fetch_token.mint(secret, where, datetime.now(UTC), LASTS, fetch_token.HISTORY)
    found = await history.contributors(settings.git_url, token, where, question.ends, question.bases)
    here, elsewhere = told(found, known)
    complete = found.complete and len(here) <= HERE
    # The first version of all may bring the history of decades. Afterwards, nobody hides in a crowd.
    if not complete and question.bases:
        raise HistoryUnknown("more people or commits came since than can be looked through", lasting=True)
    more = {
        "people": (*here[:HERE], *elsewhere[:ELSEWHERE]),
        "others": max(0, len(elsewhere) - ELSEWHERE),
        "commits": found.commits,
        "complete": complete,
    }
    return question.model_copy(update=more), {item.person for item in here}


async def makers(
    reader: Reader, settings: Settings, tenant: str, promotion: Promotion, there: AppSpec | None
) -> Makers:
    """All of them. there: the App as it is."""
    space = names.namespace(tenant, names.BUILD)
    found = {promotion.spec.author, promotion.metadata.annotations.get(names.AUTHOR, "")}
    runs = await reader.list(names.API_VERSION, Run.KIND, space)
    try:
        origins = await _origins(settings, runs, promotion.spec.artefact.image)
        if not origins:
            raise HistoryUnknown("no run of this tenant is known that built this image", lasting=True)
        found |= {person for item in origins for person in item.people}
        image = there.artefact.image if there is not None and there.artefact is not None else ""
        bases = await _origins(settings, runs, image) if image else []
        written = None
        for project in sorted({item.project for item in origins}):
            own = [item for item in origins if item.project == project]
            # The oldest that built what is there: whatever came after it may be new here.
            base = next((item for item in bases if item.project == project), None)
            found |= _between(runs, base, own[-1])
            found |= await _edited(reader, space, project, base.created if base is not None else "")
            question = Written(
                project=project,
                ends=tuple(dict.fromkeys(item.commit for item in reversed(own)))[:MOST_ENDS],
                bases=(base.commit,) if base is not None else (),
            )
            written, wrote = await _written(reader, settings, tenant, promotion, question)
            found |= wrote
    except HistoryUnknown as unknown:
        return Makers(people=_sorted(found), unknown=str(unknown), lasting=unknown.lasting)
    return Makers(people=_sorted(found), written=written)


def _sorted(found: set[str]) -> tuple[str, ...]:
    return tuple(sorted(found - {""}))
