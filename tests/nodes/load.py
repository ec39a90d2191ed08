"""An open-loop load: requests start by the clock, whether earlier ones were answered or not, each on a new connection.

So a server that hangs is seen as many late requests, not as one.
"""

import asyncio
import threading
import time
from dataclasses import dataclass, field

PATIENCE_S = 10.0  # Of a client: what takes longer has failed.


@dataclass(frozen=True)
class Sample:
    """One request: when it began (seconds since the load began), how long it took, what was wrong with it."""

    at: float
    seconds: float
    wrong: str = ""


@dataclass
class Load:
    """`rate` requests a second to `host` at an address, from `start` to `stop`."""

    address: str
    host: str
    rate: float = 40.0
    samples: list[Sample] = field(default_factory=list)

    def start(self) -> "Load":
        """Begin."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._began = time.monotonic()
        self._thread.start()
        return self

    def now(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._began

    def stop(self) -> list[Sample]:
        """End, wait for what is under way, and tell all."""
        self._over.set()
        self._thread.join(PATIENCE_S + 20)
        return sorted(self.samples, key=lambda sample: sample.at)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            number = 0
            while not self._over.is_set():
                await asyncio.sleep(max(0.0, number / self.rate - self.now()))
                tasks.create_task(self._one(self.now()))
                number += 1

    async def _one(self, at: float) -> None:
        wrong = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                wrong = await self._ask()
        except TimeoutError:
            wrong = "no answer"
        except OSError as error:
            wrong = f"{type(error).__name__}: {error}"
        self.samples.append(Sample(at, self.now() - at, wrong))

    async def _ask(self) -> str:
        reader, writer = await asyncio.open_connection(self.address, 80)
        try:
            writer.write(f"GET / HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
        head = answer.split(b"\r\n", 1)[0].decode(errors="replace")
        return "" if " 200 " in head else head or "closed without an answer"


def failed(samples: list[Sample]) -> list[Sample]:
    """Those that went wrong."""
    return [sample for sample in samples if sample.wrong]


def outage_s(samples: list[Sample]) -> float:
    """From the start of the first request that failed to the start of the last one."""
    bad = failed(samples)
    return bad[-1].at - bad[0].at if bad else 0.0


def told(samples: list[Sample]) -> str:
    """In words, for a failed assertion and for the report."""
    bad = failed(samples)
    kinds: dict[str, int] = {}
    for sample in bad:
        kinds[sample.wrong] = kinds.get(sample.wrong, 0) + 1
    slowest = max((sample.seconds for sample in samples if not sample.wrong), default=0.0)
    seconds: dict[int, int] = {}
    for sample in bad:
        seconds[int(sample.at)] = seconds.get(int(sample.at), 0) + 1
    where = f" in second {seconds}" if bad else ""
    return f"{len(bad)} of {len(samples)} failed{where} {kinds}, the slowest answer took {slowest:.2f} s"
