"""What stands of a Preview. Reads only, no decisions."""

from datetime import datetime

from roost.capabilities.preview.model import Observed
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model import names, previews
from roost.model.kinds.app import App
from roost.model.kinds.delivery import Project, Run
from roost.model.kinds.forge import Preview

WATCHES = (Watch(names.API_VERSION, Run.KIND, owner="field:spec.preview"),)


def _newest(runs: list[Object], name: str) -> Run | None:
    mine = [Run.parse(item) for item in runs if item["spec"].get("preview") == name]
    return max(mine, default=None, key=lambda run: (run.metadata.creation_timestamp or "", run.spec.attempt))


async def observe(reader: Reader, item: Preview) -> Observed:
    """The project, the newest Run of the ref, and the preview's App."""
    space, name = item.metadata.namespace or "", item.metadata.name
    raw = await reader.get(names.API_VERSION, Project.KIND, item.spec.project, space)
    project = Project.parse(raw).spec if raw else None
    place = names.split_namespace(space)
    run = _newest(await reader.list(names.API_VERSION, Run.KIND, space), name)
    there = names.namespace(place[0], item.spec.environment) if place else ""
    app = await reader.get(names.API_VERSION, App.KIND, item.spec.app, there) if there else None
    if app is not None and (app["metadata"].get("labels") or {}).get(names.PREVIEW) != name:
        app = None  # Somebody else's of that name.
    parsed = App.parse(app) if app else None
    made = run.metadata.creation_timestamp if run else None
    said = [one for one in run.status.conditions if one.type == "Ready"] if run else []
    return Observed(
        lifetime_h=project.previews.lifetime_h if project else 1,
        wanted=project is not None and previews.wanted(project, item.spec.ref),
        run=run.metadata.name if run else "",
        run_phase=(run.status.phase or "Pending") if run else "",
        run_message=said[0].message if said else "",
        last_run=datetime.fromisoformat(made.replace("Z", "+00:00")) if made else None,
        app_uid=parsed.metadata.uid if parsed else "",
        app_deleting=bool(parsed and parsed.metadata.deletion_timestamp),
        url=(parsed.status.url or "") if parsed else "",
        live=bool(parsed and parsed.status.live),
    )
