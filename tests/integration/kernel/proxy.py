"""A TCP proxy that can fall silent without closing anything: what a half-open connection looks like to its ends."""

import asyncio
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests.integration.apiserver import ApiServer


class Proxy:
    """Forwards to kube-apiserver. `freeze`: connections that stand now pass nothing any more; new ones work."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._frozen: set[object] = set()
        self._live: set[object] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    async def start(self, server: ApiServer, folder: Path) -> Path:
        """Listen; a kubeconfig that leads through here."""
        target = urlsplit(server.url)
        assert target.port is not None

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            there, back = await asyncio.open_connection("127.0.0.1", target.port)
            token = object()
            self._live.add(token)
            self._writers += [writer, back]
            for source, sink in ((reader, back), (there, writer)):
                task = asyncio.ensure_future(self._pump(source, sink, token))
                self._tasks.add(task)

        self._server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        config = yaml.safe_load(server.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def freeze(self) -> None:
        """What stands now is dead, and nobody is told."""
        self._frozen |= self._live

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, token: object) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if token in self._frozen:
                    continue
                sink.write(data)
                await sink.drain()
        if token not in self._frozen:
            sink.close()
