"""The ASGI application of the git server: authentication, fetches, pushes with their long answer.

`roost.mains.git` makes it. One answer is written by one task; a second one feeds the request's body to git. When either
fails, git is ended, so nothing is left behind by a client that hangs up.
"""

import asyncio
import contextlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog

from roost.gitserver import backend, contributors, definition, looks, outcomes, pktline, starting
from roost.gitserver.backend import Backend, ClientGone, GitFailed
from roost.gitserver.cluster import Cluster, Misfit, built_of, name_of
from roost.gitserver.exchange import IDLE_S, NO_CACHE, Exchange, Receive, Scope, Send, headers_of, named, whole_body
from roost.gitserver.ledger import Ledger
from roost.gitserver.moves import BUILT_AT_ONCE, Move
from roost.gitserver.progress import Follower, Outcome
from roost.gitserver.repositories import Name, NoRepository, Repositories
from roost.gitserver.requests import IMPORT, PUSH, GitRequest, Refused, authenticate, parse, vouched
from roost.gitserver.uploads import Upload, Uploads
from roost.kernel.clock import Clock
from roost.kube.errors import KubeError
from roost.model import previews
from roost.model.kinds.delivery import Project
from roost.model.refs import HEADS, short
from roost.surface import fetch_token

log = structlog.get_logger(__name__)

AT_ONCE = 32  # git processes at the same time; more wait for a place.
KEEP_ALIVE_S = 5.0
MAX_FETCH_BODY = 16 << 20
HOOKS = "/hooks/"
ARCHIVES = "/archives/"
STARTS = "/starts/"
MAX_DELIVERY = 4 << 20
SPARE = 1 << 20  # Beside the pack: the list of refs.
SETTLE_TRIES = 30


class GitServer:
    """The application. `secret` is what the API and the controller share with it."""

    def __init__(self, repositories: Repositories, ledger: Ledger, cluster: Cluster, secret: str, clock: Clock) -> None:
        self._repositories = repositories
        self._ledger = ledger
        self._cluster = cluster
        self._secret = secret
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._uploads = Uploads(repositories)
        self.closing = False  # Set when the process is told to stop: whoever follows a run is sent away in words.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI scope of type http."""
        exchange = Exchange(receive, send)
        if scope["path"] in ("/healthz", "/readyz"):
            await exchange.text(200, "ok")
            return
        try:
            await self._route(scope["path"])(exchange, scope)
        except* (ClientGone, TimeoutError):
            log.info("client gone", path=scope["path"])
        except* GitFailed as failed:
            log.warning("git gave no answer", path=scope["path"], error=str(failed.exceptions[0]))
            if not exchange.started:
                await exchange.text(500, "git could not serve this request; nothing was changed.")

    def _route(self, path: str) -> Callable[[Exchange, Scope], Awaitable[None]]:
        if path.startswith(HOOKS):
            return self._hook
        if path.startswith(STARTS):
            return self._start
        if path.startswith(contributors.PATH):
            return self._contributors
        if path.startswith(outcomes.PATH):
            return self._outcome
        return self._archive if path.startswith(ARCHIVES) else self._answer

    async def _start(self, exchange: Exchange, scope: Scope) -> None:
        """A run that a person starts, which the API passes on: 201 with its name and commit."""
        try:
            told = await self._started(exchange, scope)
        except Refused as refused:
            await exchange.text(refused.status, str(refused))
        except (KubeError, OSError) as error:
            log.warning("run not started", path=scope["path"], error=str(error))
            await exchange.text(503, "Kubernetes does not answer; send the same request again.")
        else:
            await exchange.start(201, [(b"content-type", b"application/json"), *NO_CACHE])
            await exchange.write(json.dumps(told).encode(), more=False)

    async def _started(self, exchange: Exchange, scope: Scope) -> dict[str, Any]:
        name = named(scope["path"].removeprefix(STARTS))
        who = vouched(headers_of(scope), name, self._secret)
        start = starting.read(await whole_body(exchange, starting.MAX_BYTES))
        project = await self._read_project(name)
        await self._ensure(name, project)
        ref, target = starting.find(start.ref, project, await self._repositories.refs(name))
        commit = await self._repositories.commit(name, target)
        if not commit:
            raise Refused(409, f"ref: {short(ref)} names no commit.")
        manifest = starting.run_of(project, name.tenant, start, (ref, commit), who, self._ledger.lines(name))
        manifest = await definition.into(self._repositories, name, project, manifest)
        await self._cluster.create_run(name.tenant, manifest)
        log.info("run started", repository=str(name), run=manifest["metadata"]["name"], person=who)
        return {"run": manifest["metadata"]["name"], "ref": ref, "commit": commit}

    async def _contributors(self, exchange: Exchange, scope: Scope) -> None:
        """Who wrote a range of commits, for the controller."""
        await contributors.answer(exchange, scope, self._repositories, self._secret, self._clock.now())

    async def _outcome(self, exchange: Exchange, scope: Scope) -> None:
        """The report of a run, from its pod."""
        await outcomes.answer(exchange, scope, self._cluster, self._secret, self._clock.now())

    async def _archive(self, exchange: Exchange, scope: Scope) -> None:
        """An archive, which the API passes on: a commit of the project's branch, and its run."""
        try:
            told = await self._upload(exchange, scope)
        except Refused as refused:
            await exchange.text(refused.status, str(refused))
        except OSError as error:
            log.error("archive not taken", path=scope["path"], error=str(error))
            await exchange.text(507, "The git server cannot write to its disk; nothing was changed.")
        else:
            await exchange.start(200, [(b"content-type", b"application/json"), *NO_CACHE])
            await exchange.write(json.dumps(told).encode(), more=False)

    async def _upload(self, exchange: Exchange, scope: Scope) -> dict[str, Any]:
        headers = headers_of(scope)
        name = named(scope["path"].removeprefix(ARCHIVES))
        person = vouched(headers, name, self._secret)
        project = await self._read_project(name)
        if project.spec.source.type != "archive":
            raise Refused(409, "This project takes no archives: make one with `roost project create --archive`.")
        await self._ensure(name, project)
        if await self._repositories.is_full(name):
            raise Refused(413, "The repository takes all that it may. Start a new project.")
        push, strip = secrets.token_hex(8), scope["query_string"] != b"folder=keep"
        upload = Upload(name, project.spec.branch, person, push, strip, headers.get("content-digest", ""))
        self._ledger.touch(name)
        try:
            taken = await self._uploads.take(upload, exchange.part)
        finally:
            self._ledger.touch(name)  # Also where the client hung up: the ref may have moved before.
        moves = await self._settled(name) if taken.moved else []
        run = next((name_of(name.project, move) for move in moves if move.push == push), "")
        return {"commit": taken.commit, "moved": taken.moved, "files": taken.files, "folder": taken.folder, "run": run}

    async def _settled(self, name: Name) -> list[Move]:
        """The repository's moves, their Runs made; none where Kubernetes does not answer: then they follow."""
        try:
            return await self._ledger.settle(name)
        except (KubeError, OSError) as error:
            log.warning("runs not made yet", repository=str(name), error=str(error))
            return []

    async def _hook(self, exchange: Exchange, scope: Scope) -> None:
        """A webhook's delivery, which the API passes on: 202, and a look at the source follows."""
        try:
            await self._look(exchange, scope)
        except Refused as refused:
            await exchange.text(refused.status, str(refused))
        except KubeError:
            await exchange.text(503, "Kubernetes does not answer; nothing was changed. Deliver it again.")
        else:
            await exchange.text(202, "Roost looks.")

    async def _look(self, exchange: Exchange, scope: Scope) -> None:
        headers, now = headers_of(scope), self._clock.now()
        if not hmac.compare_digest(headers.get("x-roost-shared", "").encode(), self._secret.encode()):
            raise Refused(403, "This is not the API.")
        tenant, _, name = scope["path"].removeprefix(HOOKS).partition("/")
        body = await whole_body(exchange, MAX_DELIVERY)
        try:
            project = await self._cluster.project(Name.parse(tenant, name))
        except NoRepository:
            project = None
        # One answer for no project, one that follows nothing and one that this sender cannot sign for.
        uid, number = (project.metadata.uid, project.spec.source.hook) if project else ("", 0)
        looks.check(headers, body, fetch_token.hook_secret(self._secret, (tenant, name), uid, number), now)
        if project is None or not project.spec.source.follows:
            raise Refused(409, "This project follows no repository: people push to it.")
        space = project.metadata.namespace or ""
        if not looks.about_to_begin(await self._cluster.looks(space), name):
            await self._cluster.create_look(looks.look_for(project, looks.delivery(headers, body, now)))

    async def _answer(self, exchange: Exchange, scope: Scope) -> None:
        headers = headers_of(scope)
        try:
            request = parse(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers)
            request = replace(request, person=authenticate(request, self._secret, self._clock.now()))
            project = await self._project(request)
        except Refused as refused:
            await exchange.text(refused.status, str(refused))
            return
        await self._serve(exchange, request, project)

    async def _project(self, request: GitRequest) -> Project:
        project = await self._read_project(request.name)
        source = project.spec.source
        if request.service == PUSH and source.type != "hosted" and request.person != IMPORT:
            if source.type == "archive":
                raise Refused(403, "This project takes archives: `roost project upload`.")
            raise Refused(403, f"This project follows {source.follows}: push there, or make a project of your own.")
        await self._ensure(request.name, project)
        return project

    async def _read_project(self, name: Name) -> Project:
        try:
            project = await self._cluster.project(name)
        except Misfit as error:
            raise Refused(409, f"{error}. Correct the project; nothing was changed.") from error
        except KubeError as error:
            raise Refused(503, "Kubernetes does not answer; nothing was changed. Try again.") from error
        if project is None or project.metadata.deletion_timestamp is not None:
            raise Refused(404, f"There is no project {name}: make it with `roost project create`.")
        return project

    async def _ensure(self, name: Name, project: Project) -> None:
        try:
            await self._repositories.ensure(name, project.metadata.uid, project.spec.branch)
        except OSError as error:
            log.error("repository not made", repository=str(name), error=str(error))
            raise Refused(507, "The git server cannot write to its disk; nothing was changed.") from error

    async def _serve(self, exchange: Exchange, request: GitRequest, project: Project) -> None:
        if request.service == PUSH and request.advertise and await self._repositories.is_full(request.name):
            await self._advertise_refusal(
                exchange,
                f"This repository takes {self._repositories.max_repository_mib} MiB, the most that it may."
                " Make it smaller, or start a new project.",
            )
            return
        push = secrets.token_hex(8) if request.service == PUSH and not request.advertise else ""
        variables = request.cgi() | {"GIT_PROJECT_ROOT": str(self._repositories.root)}
        if push:
            variables |= {
                "ROOST_PUSH": push,
                "ROOST_PERSON": request.person,
                "ROOST_BRANCH": project.spec.branch,
                "ROOST_REFS": "\n".join([*project.spec.triggers.patterns(), *previews.patterns(project.spec)]),
            }
        try:
            async with self._places, backend.run(self._repositories.environment(variables)) as git:
                answer = Push(exchange, git)
                if push:
                    await answer.transfer(self._repositories.max_push_mib << 20)
                else:
                    await _pass_on(exchange, git)
        finally:
            if push:  # Also where the client hung up: git may have updated the ref before it was ended.
                self._ledger.touch(request.name)
        if push:
            await self._tell(answer, request, project, push)

    async def _advertise_refusal(self, exchange: Exchange, message: str) -> None:
        kind = f"application/x-{PUSH}-advertisement".encode()
        await exchange.start(200, [(b"content-type", kind), *NO_CACHE])
        service = pktline.packet(f"# service={PUSH}\n".encode()) + pktline.FLUSH
        await exchange.write(service + pktline.refusal(message), more=False)

    async def _tell(self, answer: "Push", request: GitRequest, project: Project, push: str) -> None:
        """What a push led to. The refs are updated: the Runs are made even if the client leaves now."""
        watching = asyncio.create_task(answer.exchange.gone())
        telling = asyncio.create_task(self._tell_all(answer, request, project, push))
        try:
            await asyncio.wait({watching, telling}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                await telling
        finally:
            for task in (watching, telling):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _tell_all(self, answer: "Push", request: GitRequest, project: Project, push: str) -> None:
        moves = await self._settle(answer, request)
        mine = [move for move in moves if move.push == push]
        built = built_of(project, mine)
        failures = {}
        for move in mine:
            if request.person == IMPORT:
                continue  # Nobody sits at the other end: the run is told by its own log.
            if move not in built:
                await answer.say(f"-----> {short(move.ref)} is kept. {_unbuilt(project, move)}")
                continue
            outcome = await self._follow(answer, request, name_of(request.name.project, move))
            words, *more = outcome.message.split("\n")
            if words not in answer.last:  # The build may have said it already.
                await answer.say(f"-----> {outcome.title}: {words}")
            for line in () if outcome.shown else more:
                await answer.say(f"       {line}")
            if not outcome.ok:
                failures[move.ref] = f"kept, but not live: {words}"
        await answer.finish(failures)

    async def _settle(self, answer: "Push", request: GitRequest) -> list[Move]:
        """The repository's moves, once their Runs stand. What is left open when nobody waits, the ledger makes."""
        for _ in range(SETTLE_TRIES):
            try:
                return await self._ledger.settle(request.name)
            except (KubeError, OSError) as error:
                await answer.say(f"       The commit is kept; waiting for Kubernetes to take the run ({error}).")
                await asyncio.sleep(2.0)
        await answer.say("-----> The run is made as soon as Kubernetes takes it: `roost build list` shows it then.")
        return []

    async def _follow(self, answer: "Push", request: GitRequest, run: str) -> Outcome:
        await answer.say(f"-----> Run {run}")
        items = Follower(self._cluster, request.name.tenant, run).follow()
        async for item in _with_pauses(items, KEEP_ALIVE_S):
            if isinstance(item, Outcome):
                return item
            await (answer.say(item) if item is not None else answer.keep_alive())
            if self.closing:
                return Outcome(False, f"the git server starts anew; the run goes on: `roost build logs -f {run}`")
        return Outcome(False, "nothing more is known of the run")


def _unbuilt(project: Project, move: Move) -> str:
    """Why a move is not built."""
    triggers = project.spec.triggers
    if triggers.paused:
        return f"Nothing is built now: {triggers.paused}"
    if move.ref == HEADS + project.spec.branch:
        return "The project builds no pushes (triggers.push): `roost build start`."
    if triggers.of(move.ref) is not None:
        return f"A push that moves more than {BUILT_AT_ONCE} refs has none of them built: `roost build start`."
    others = ", ".join(short(pattern) for pattern in triggers.patterns())
    return f"Only {project.spec.branch} is built and deployed{f'; and {others}' if others else ''}."


async def _with_pauses(items: AsyncIterator[str | Outcome], pause_s: float) -> AsyncIterator[str | Outcome | None]:
    """The items, and None whenever none came for `pause_s` seconds."""
    iterator = aiter(items)
    waiting: asyncio.Task[str | Outcome] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(iterator))
            done, _ = await asyncio.wait({waiting}, timeout=pause_s)
            if not done:
                yield None
                continue
            finished, waiting = waiting, None
            try:
                yield finished.result()
            except StopAsyncIteration:
                return
    finally:
        if waiting is not None:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await waiting


async def _pass_on(exchange: Exchange, git: Backend) -> None:
    """A fetch, or the list of refs: both directions as they come. A client that hangs up ends git."""

    async def feed() -> None:
        await git.feed(exchange.part, MAX_FETCH_BODY, IDLE_S)
        await exchange.gone()
        raise ClientGone("The client hung up.")

    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(feed())
        head = await git.head()
        await exchange.start(head.status, [(name.encode(), value.encode()) for name, value in head.headers])
        async for chunk in git.body():
            await exchange.write(chunk)
        feeding.cancel()
    await exchange.write(b"", more=False)


class Push:
    """The answer to one push: what git says, then what became of it, and last the report of the refs.

    git's progress (side band 2) goes out at once; its report (side band 1) is kept until the end, because a failed run
    is told in it.
    """

    def __init__(self, exchange: Exchange, git: Backend) -> None:
        self.exchange = exchange
        self._git = git
        self._report = b""
        self._plain = False
        self.last = ""

    async def transfer(self, limit: int) -> None:
        """Feed the push to git and pass on its progress; returns when git has ended and the body was read."""
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(self._git.feed(self.exchange.part, limit + SPARE, IDLE_S))
            head = await self._git.head()
            splitter = pktline.Splitter()
            await self.exchange.start(head.status, [(name.encode(), value.encode()) for name, value in head.headers])
            async for chunk in self._git.body():
                for payload in splitter.feed(chunk):
                    await self._take(payload)
            await self._git.ended()
        if not feeding.result():
            await self.say(f"This push is larger than {limit >> 20} MiB, which is the most that one push may bring.")

    async def _take(self, payload: bytes | None) -> None:
        if payload is None:
            return
        if payload[:1] == bytes([pktline.DATA]):
            self._report += payload[1:]
        elif payload[:1] in (bytes([pktline.PROGRESS]), b"\x03", b""):
            await self.exchange.write(pktline.packet(payload))
        else:
            self._plain = True  # A client without side bands: it gets the report and nothing else.
            self._report += pktline.packet(payload)

    async def say(self, line: str) -> None:
        """One line for the pusher; control characters are left out."""
        text = "".join(char for char in line if char.isprintable() or char == "\t")
        self.last = text
        if not self._plain:
            await self.exchange.write(pktline.band(pktline.PROGRESS, f"{text}\n".encode()))

    async def keep_alive(self) -> None:
        """Show the client, and proxies between, that the answer goes on."""
        if not self._plain:
            await self.exchange.write(pktline.packet(bytes([pktline.PROGRESS])))

    async def finish(self, failures: dict[str, str]) -> None:
        """The report of the refs, in which `failures` are told, and the end."""
        if self._plain:
            await self.exchange.write(pktline.with_failures(self._report + pktline.FLUSH, failures), more=False)
            return
        report = pktline.with_failures(self._report, failures)
        data = pktline.band(pktline.DATA, report) if report else b""
        await self.exchange.write(data + pktline.FLUSH, more=False)
