"""How long a push takes in each language: the first with a cold builder, then of a changed line.

    make bench B=languages [ARGS="--only go --changes 3"]

`build` is what the Run says of itself (pod, fetch, build, upload, bill of materials); `push` is what whoever pushes
waits for: the build and the start of the new version.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench import place
from bench.measure import last_line, machine, say, table
from bench.spring import CODE, POM, SPRING

FLASK = 'import flask\n\napp = flask.Flask(__name__)\n\n\n@app.get("/")\ndef page() -> str:\n    return "VERSION"\n'
EXPRESS = """\
const app = require("express")();
app.get("/", (request, response) => response.send("VERSION"));
app.listen(process.env.PORT);
"""
GO = """\
package main

import (
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"
)

func main() {
	router := chi.NewRouter()
	router.Get("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("VERSION")) })
	http.ListenAndServe(":"+os.Getenv("PORT"), router)
}
"""
GO_MOD = "module example.org/hello\n\ngo 1.22\n\nrequire github.com/go-chi/chi/v5 v5.2.1\n"
GO_SUM = """\
github.com/go-chi/chi/v5 v5.2.1 h1:KOIHODQj58PmL80G2Eak4WdvUzjSJSm0vG72crDCqb8=
github.com/go-chi/chi/v5 v5.2.1/go.mod h1:L2yAIGWB3H+phAw1NxKwWM+7eUH/lU8pOMm5hHcoops=
"""
PACKAGE = json.dumps({"name": "hello", "scripts": {"start": "node server.js"}, "dependencies": {"express": "4.21.2"}})


@dataclass(frozen=True)
class Sample:
    """An application in one language: its files, and the one with the word VERSION, which changes."""

    files: Mapping[str, str]
    changes: str


SAMPLES: Mapping[str, Sample] = {
    "static": Sample({"index.html": "VERSION"}, "index.html"),
    "python": Sample({"app.py": FLASK, "requirements.txt": "flask==3.1.2\n"}, "app.py"),
    "node": Sample({"server.js": EXPRESS, "package.json": PACKAGE}, "server.js"),
    "go": Sample({"main.go": GO, "go.mod": GO_MOD, "go.sum": GO_SUM}, "main.go"),
    "java": Sample({"pom.xml": POM, CODE: SPRING}, CODE),
}


@dataclass(frozen=True)
class Times:
    """Seconds of one push."""

    push: float
    build: float


class Pusher:
    """Pushes one sample, again and again."""

    def __init__(self, language: str, where: place.Place) -> None:
        self.language = language
        self.sample = SAMPLES[language]
        self.folder = where.folder / language
        self.git = where.git
        self.remote = where.remote(language)
        self.version = 0
        self.folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main", cwd=self.folder)
        place.project(language)

    def push(self) -> Times:
        """A changed line, pushed; it must answer."""
        self.version += 1
        word = f"version-{self.version}"
        for name, text in self.sample.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("VERSION", word) if name == self.sample.changes else text)
        self.git("add", "--all", cwd=self.folder)
        self.git("commit", "--quiet", "--message", word, cwd=self.folder)
        began = time.monotonic()
        self.git("push", "--quiet", self.remote, "main", cwd=self.folder)
        took = time.monotonic() - began
        place.wait(word, lambda: place.answer(self.language) == word)
        return Times(took, self._built())

    def _built(self) -> float:
        """Seconds that the newest Run says it took."""
        runs = json.loads(place.kubectl("-n", place.BUILDS, "get", "runs.roost.dev", "-o", "json"))["items"]
        mine = [item for item in runs if item["spec"]["project"] == self.language]
        newest = max(mine, key=lambda item: int(item["spec"]["attempt"]))["status"]
        begin, end = (datetime.fromisoformat(newest[key].replace("Z", "+00:00")) for key in ("startedAt", "finishedAt"))
        return (end - begin).total_seconds()


def measured(language: str, changes: int, pusher: Pusher) -> tuple[Times, list[Times]]:
    """The first push, with a new builder, and those of changed lines."""
    place.kubectl("-n", place.BUILDS, "delete", "pod", "builder", "--ignore-not-found", "--wait=true")
    cold = pusher.push()
    say(f"{language}: first {cold.push:.1f} s (build {cold.build:.0f} s)")
    pusher.push()  # The first change may still find something cold.
    warm = []
    for number in range(changes):
        warm.append(pusher.push())
        say(f"{language}: change {number + 1}/{changes} {warm[-1].push:.1f} s (build {warm[-1].build:.0f} s)")
    return cold, warm


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all were measured; RuntimeError says what failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.languages", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(SAMPLES), help="only this language")
    parser.add_argument("--changes", type=int, default=3, help="changed lines of each")
    chosen = parser.parse_args(arguments)
    where = machine()
    figures: dict[str, tuple[Times, list[Times]]] = {}
    with tempfile.TemporaryDirectory() as name:
        try:
            there = place.tenant(Path(name))
            for language in chosen.only or SAMPLES:
                figures[language] = measured(language, chosen.changes, Pusher(language, there))
        finally:
            place.remove()
    rows = [
        (
            language,
            f"{cold.push:.1f}",
            f"{cold.build:.0f}",
            f"{statistics.median(item.push for item in warm):.1f}",
            f"{statistics.median(item.build for item in warm):.0f}",
        )
        for language, (cold, warm) in figures.items()
    ]
    table(("language", "first push s", "of it build", "changed line s", "of it build"), rows)
    last_line(
        bench="languages",
        first_s={language: round(cold.push, 1) for language, (cold, _) in figures.items()},
        changed_s={
            language: round(statistics.median(item.push for item in warm), 1) for language, (_, warm) in figures.items()
        },
        machine=where,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
