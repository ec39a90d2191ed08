"""Four eyes: who wrote a commit does not approve it, whoever pushed it. The real git server tells who wrote it, the
controller with its own rights judges, a real kube-apiserver holds the words to who gives them.
"""

import asyncio
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from roost.gitserver.repositories import OWNER
from roost.model.kinds.app import App, AppSpec, Artefact
from roost.model.kinds.delivery import Project, ProjectSpec, Promotion, PromotionSpec, Run, RunSpec
from roost.model.kinds.gates import Approval, ApprovalSpec, Gates
from roost.model.kinds.people import User, UserSpec
from roost.model.kinds.tenant import Environment, Member, Tenant, TenantSpec
from roost.model.kinds.triggers import Parameter
from roost.model.names import AUTHOR
from roost.settings import Settings
from tests.attack.world import World, collection
from tests.integration.apiserver import ApiServer
from tests.integration.capabilities.conftest import OURS, Cluster, controlling, verify_images
from tests.integration.conftest import Eventually
from tests.integration.git.conftest import SECRET, Server, StandIn

pytestmark = pytest.mark.integration
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Site:
    """A tenant whose `prod` wants one approval; its people; a repository."""

    cluster: Cluster
    eventually: Eventually
    world: World
    tenant: str
    repository: Path

    def person(self, who: str) -> str:
        """The id of one of them. Mail addresses are `<id>@example.com`."""
        return f"{who}-{self.tenant}"

    def commit(self, author: str, *, message: str = "x") -> str:
        """A commit on top of main, which a forge made of what `author` (a mail address) wrote."""
        people = {"AUTHOR": author, "COMMITTER": "noreply@forge.example"}
        who = {f"GIT_{role}_EMAIL": mail for role, mail in people.items()}
        who |= {f"GIT_{role}_NAME": "Some Body" for role in people}
        tree = self._git("mktree")
        there = self._git("rev-parse", "--verify", "--quiet", "main", check=False)
        made = self._git("commit-tree", tree, *(("-p", there) if there else ()), "-m", message, more=who)
        self._git("update-ref", "refs/heads/main", made)
        return made

    def _git(self, *arguments: str, check: bool = True, more: dict[str, str] | None = None) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.repository), "GIT_CONFIG_NOSYSTEM": "1", **(more or {})}
        done = subprocess.run(
            ["git", *arguments], cwd=self.repository, env=env, input="", capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    async def built(self, sequence: int, commit: str, pusher: str, **more: Any) -> str:
        """A run that built an image of that commit: the image."""
        image = f"registry.roost-system.svc:5000/{self.tenant}/shop@sha256:{secrets.token_hex(32)}"
        spec = RunSpec(
            project="shop",
            ref="refs/heads/main",
            commit=commit,
            sequence=sequence,
            attempt=sequence,
            author=self.person(pusher) if pusher else "",
            **more,
        )
        made = await self.cluster.client.create(Run.manifest(f"shop-{sequence}", spec, f"{self.tenant}-build"))
        status = {"phase": "Succeeded", "artefact": {"image": image}}
        await self.cluster.client.patch(made, {"status": status}, "tests", "status")
        return image

    def as_(self, who: str, manifest: dict[str, Any], wanted: int = 201) -> dict[str, Any]:
        """Write something as one of them, who says who they are."""
        manifest["metadata"].setdefault("annotations", {}).setdefault(AUTHOR, self.person(who))
        account = f"system:serviceaccount:roost-people:{self.person(who)}"
        answer = self.world.call(account, "POST", collection(manifest), manifest)
        assert answer.status_code == wanted, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def promote(self, image: str, who: str = "owner") -> dict[str, Any]:
        """Bring an image into prod."""
        spec = PromotionSpec(app="shop", artefact=Artefact(image=image))
        return self.as_(who, Promotion.manifest(f"shop-{secrets.token_hex(4)}", spec, f"{self.tenant}-prod"))

    def approve(self, promotion: dict[str, Any], who: str) -> None:
        """Give one's word."""
        meta = promotion["metadata"]
        spec = ApprovalSpec(promotion=meta["name"], uid=meta["uid"])
        self.as_(who, Approval.manifest(f"{meta['name']}-{who}", spec, meta["namespace"]))

    async def until(self, promotion: dict[str, Any], *wanted: str) -> str:
        """Until Ready says one of these reasons, and what it says."""
        seen: dict[str, Any] = {}

        async def holds() -> bool:
            found = await self.cluster.read("Promotion", promotion["metadata"]["name"], f"{self.tenant}-prod")
            conditions = (found.get("status") or {}).get("conditions") or [{}]
            seen.update(conditions[0])
            return seen.get("reason") in wanted

        await self.eventually(holds, PATIENCE_S, told=lambda: seen)
        return str(seen["message"])

    async def counted(self, promotion: dict[str, Any], *who: str) -> str:
        """Until exactly these people's words count, of two that are wanted, and what it says."""
        words = f"{len(who)} of 2 approvals ({', '.join(self.person(item) for item in who)})"
        said = [""]

        async def holds() -> bool:
            said[0] = await self.until(promotion, "AwaitingApproval")
            return words in said[0]

        await self.eventually(holds, PATIENCE_S)
        return said[0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "repositories"
    root.mkdir()
    running = Server(root, StandIn()).start()
    yield running
    running.stop()


@pytest.fixture
async def site(platform: ApiServer, server: Server, tmp_path: Path, eventually: Eventually) -> AsyncIterator[Site]:
    tenant = f"t{secrets.token_hex(4)}"
    repository = server.repository("shop").parents[1] / tenant / "shop.git"
    repository.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", "."], cwd=repository, check=True)
    (repository / OWNER).write_text(StandIn.uid)
    (tmp_path / "token").write_text(SECRET)
    settings = Settings(workers=4, git_url=f"http://127.0.0.1:{server.port}", git_secret=str(tmp_path / "token"))
    world = World(platform)
    async with controlling(platform, (*OURS, "project"), settings) as cluster:
        verifying = asyncio.ensure_future(verify_images(cluster.client))
        made = Site(cluster, eventually, world, tenant, repository)
        await furnish(made)
        yield made
        verifying.cancel()
        with suppress(asyncio.CancelledError):
            await verifying
    world.http.close()


async def furnish(site: Site) -> None:
    """People, the tenant, its project."""
    client, tenant = site.cluster.client, site.tenant
    roles = {"owner": "owner", "bob": "developer", "cy": "approver", "appr": "approver", "also": "owner"}
    members = []
    for who, role in roles.items():
        person = site.person(who)
        await client.apply(User.manifest(person, UserSpec(mail=f"{person}@Example.com")), "tests")
        members.append(Member.model_validate({"person": person, "role": role}))
    environments = (Environment(name="dev"), Environment(name="prod", gates=Gates(approvals=2)))
    await client.apply(Tenant.manifest(tenant, TenantSpec(environments=environments, members=tuple(members))), "tests")

    async def ready() -> bool:
        return await site.cluster.ready("Tenant", tenant) == "True Ready"

    await site.eventually(ready, PATIENCE_S)
    await client.create(Project.manifest("shop", ProjectSpec(), f"{tenant}-build"))


async def serves(site: Site, image: str) -> None:
    """What is in prod now."""
    spec = AppSpec(artefact=Artefact(image=image))
    await site.cluster.client.apply(App.manifest("shop", spec, f"{site.tenant}-prod"), "tests")


def mail(site: Site, who: str) -> str:
    return f"{site.person(who)}@example.com"


async def test_who_wrote_it_does_not_approve_it_whoever_pushed_it(site: Site) -> None:
    await serves(site, await site.built(1, site.commit(mail(site, "appr")), "appr"))
    image = await site.built(2, site.commit(mail(site, "cy")), "bob")
    promotion = site.promote(image)
    site.approve(promotion, "cy")
    site.approve(promotion, "appr")
    said = await site.counted(promotion, "appr")
    made = ", ".join(site.person(who) for who in ("bob", "cy", "owner"))
    assert f"{made} made the change and cannot" in said, said
    site.approve(promotion, "also")
    await site.until(promotion, "Applied")


async def test_the_twin_who_wrote_nothing_of_it_approves_it(site: Site) -> None:
    """cy wrote what is there already, and nothing of what comes."""
    await serves(site, await site.built(1, site.commit(mail(site, "cy")), "cy"))
    promotion = site.promote(await site.built(2, site.commit(mail(site, "bob")), "bob"))
    site.approve(promotion, "cy")
    site.approve(promotion, "appr")
    await site.until(promotion, "Applied")
    written = (await site.cluster.read("Promotion", promotion["metadata"]["name"], f"{site.tenant}-prod"))["status"]
    assert [item["person"] for item in written["written"]["people"]] == [site.person("bob")]


async def test_without_the_guard_the_author_approves_it(site: Site) -> None:
    """Sabotage: what holds the author off is four eyes and nothing else."""
    tenant = await site.cluster.read("Tenant", site.tenant)
    environments = tenant["spec"]["environments"]
    environments[1]["gates"]["fourEyes"] = False
    await site.cluster.client.patch(tenant, {"spec": {"environments": environments}}, "tests")
    await serves(site, await site.built(1, site.commit(mail(site, "bob")), "bob"))
    promotion = site.promote(await site.built(2, site.commit(mail(site, "cy")), "bob"))
    site.approve(promotion, "cy")
    site.approve(promotion, "appr")
    await site.until(promotion, "Applied")


async def test_all_between_what_is_there_and_what_comes_counts_and_strangers_are_named(site: Site) -> None:
    first = await site.built(1, site.commit(mail(site, "owner")), "owner")
    await serves(site, first)
    await site.built(2, site.commit("eve@elsewhere.example"), "also")  # Pushed, built, and never brought to prod.
    message = f"x\n\nCo-authored-by: Cy <{mail(site, 'cy').upper()}>"
    promotion = site.promote(await site.built(3, site.commit(mail(site, "bob"), message=message), "bob"))
    for who in ("cy", "also", "appr"):
        site.approve(promotion, who)
    said = await site.counted(promotion, "appr")
    assert "Also written by Some Body <eve@elsewhere.example>, whom no account here has." in said, said


async def test_who_repeated_a_run_or_changed_how_it_builds_made_it_too(site: Site) -> None:
    await serves(site, await site.built(1, site.commit(mail(site, "bob")), "bob"))
    project = await site.cluster.read("Project", "shop", f"{site.tenant}-build")
    spec = ProjectSpec(parameters=(Parameter(name="FLAVOUR", default="sour"),))
    path = f"{collection(project)}/shop"
    change = {"metadata": {"annotations": {AUTHOR: site.person("also")}}, "spec": spec.wire()}
    account = f"system:serviceaccount:roost-people:{site.person('also')}"

    async def noted() -> bool:
        status = (await site.cluster.read("Project", "shop", f"{site.tenant}-build")).get("status") or {}
        return bool(status.get("edits" if changed else "definition"))

    changed = False
    await site.eventually(noted, PATIENCE_S)
    answer = site.world.call(account, "PATCH", path, change)
    assert answer.status_code == 200, answer.text
    changed = True
    await site.eventually(noted, PATIENCE_S)
    image = await site.built(2, site.commit(mail(site, "bob")), "bob", repeated_by=(site.person("cy"),))
    promotion = site.promote(image)
    for who in ("cy", "also", "appr"):
        site.approve(promotion, who)
    await site.counted(promotion, "appr")


async def test_what_nobody_can_tell_the_authors_of_waits_and_says_why(site: Site) -> None:
    unknown = Artefact(image=f"registry.roost-system.svc:5000/{site.tenant}/shop@sha256:{'e' * 64}").image
    assert "no run of this tenant is known that built this image" in await site.until(
        site.promote(unknown), "AuthorsUnknown"
    )
    gone = await site.built(7, "f" * 40, "bob")
    assert f"has no commit {'f' * 40}" in await site.until(site.promote(gone), "AuthorsUnknown")


async def test_an_app_that_speaks_of_another_commit_hides_no_author(site: Site) -> None:
    """Who may change an App says there which commit its image is of: that is not what is believed."""
    old = await site.built(1, site.commit(mail(site, "bob")), "bob")
    newest = site.commit(mail(site, "cy"))
    spec = AppSpec(artefact=Artefact(image=old, commit=newest, run="shop-2"))
    await site.cluster.client.apply(App.manifest("shop", spec, f"{site.tenant}-prod"), "tests")
    promotion = site.promote(await site.built(2, newest, "bob"))
    for who in ("cy", "appr"):
        site.approve(promotion, who)
    await site.counted(promotion, "appr")
