"""What stops a run as configured, in every language, by the real scanners: a secret, a dependency with a known
vulnerability, an injection bug. The same project without them passes.
"""

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from roost.adapters.registry import MANIFEST
from roost.builds import bill, scan_stage
from roost.builds.bench import StepFailed
from roost.builds.bill import Part
from roost.builds.scanner import Scanner
from roost.model.findings import Finding
from roost.node import engine
from tests.integration.builds.test_dependency_scan import GO, GRADLE, NPM
from tests.integration.builds.test_scan_stage import Stand

pytestmark = pytest.mark.integration
LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def made_up(seed: str, length: int, alphabet: str = LETTERS) -> str:
    """Letters without a meaning, always the same: no secret stands in this file, not even a made-up one."""
    digest = b"".join(hashlib.sha512(f"{seed}{number}".encode()).digest() for number in range(4))
    return "".join(alphabet[byte % len(alphabet)] for byte in digest[:length])


TOKEN: Final = "ghp_" + made_up("token", 36)


@dataclass(frozen=True)
class Language:
    """A small project: its files as they should be, and what each of them is where something is wrong with it."""

    clean: dict[str, str]
    secret: tuple[str, str]
    dependency: tuple[str, str]
    injection: tuple[str, str]


LANGUAGES: Final = {
    "python": Language(
        {
            "app.py": "from flask import request\nimport subprocess\n\nsubprocess.run(['ping', '-c1', '--', 'db'])\n",
            "settings.py": "import os\n\nTOKEN = os.environ['TOKEN']\n",
            "requirements.txt": "pyyaml==6.0.2\n",
        },
        ("settings.py", f'TOKEN = "{TOKEN}"\n'),
        ("requirements.txt", "pyyaml==5.3\n"),
        ("app.py", 'from flask import request\nimport os\n\nos.system("ping " + request.args["host"])\n'),
    ),
    "javascript": Language(
        {
            "web/app.js": "const express = require('express');\nconst app = express();\n"
            "app.get('/o', async (req, res) => res.json(await db.query('SELECT 1 WHERE a = $1', [req.query.a])));\n",
            "web/config.js": "module.exports = { token: process.env.TOKEN };\n",
            "web/package-lock.json": NPM % "4.17.21",
        },
        ("web/config.js", f"module.exports = {{ token: '{TOKEN}' }};\n"),
        ("web/package-lock.json", NPM % "4.17.20"),
        (
            "web/app.js",
            "const express = require('express');\nconst app = express();\n"
            "app.get('/o', async (req, res) =>\n"
            '  res.json(await db.query("SELECT 1 WHERE a = \'" + req.query.a + "\'")));\n',
        ),
    ),
    "java": Language(
        {
            "Shop.java": "import java.sql.*;\nimport javax.servlet.http.*;\nclass Shop extends HttpServlet {\n"
            "  protected void doGet(HttpServletRequest request, HttpServletResponse answer) throws Exception {\n"
            '    PreparedStatement s = connection.prepareStatement("SELECT 1 WHERE a = ?");\n'
            '    s.setString(1, request.getParameter("a"));\n  }\n}\n',
            "application.properties": "token=${TOKEN}\n",
            "gradle.lockfile": GRADLE % "2.25.0",
        },
        ("application.properties", f"token={TOKEN}\n"),
        ("gradle.lockfile", GRADLE % "2.14.1"),
        (
            "Shop.java",
            "import java.sql.*;\nimport javax.servlet.http.*;\nclass Shop extends HttpServlet {\n"
            "  protected void doGet(HttpServletRequest request, HttpServletResponse answer) throws Exception {\n"
            '    String name = request.getParameter("a");\n    Statement s = connection.createStatement();\n'
            '    s.executeQuery("SELECT 1 WHERE a = \'" + name + "\'");\n  }\n}\n',
        ),
    ),
    "go": Language(
        {
            "main.go": 'package main\n\nimport "net/http"\n\nfunc ping(w http.ResponseWriter, r *http.Request) {\n'
            '\tdb.Query("SELECT 1 WHERE a = $1", r.FormValue("a"))\n}\n',
            "token.go": 'package main\n\nimport "os"\n\nvar token = os.Getenv("TOKEN")\n',
            "go.mod": GO % "0.40.0",
        },
        ("token.go", f'package main\n\nvar token = "{TOKEN}"\n'),
        ("go.mod", GO % "0.3.0"),
        (
            "main.go",
            'package main\n\nimport (\n\t"net/http"\n\t"os/exec"\n)\n\n'
            "func ping(w http.ResponseWriter, r *http.Request) {\n"
            '\texec.Command("sh", "-c", "ping -c 1 "+r.FormValue("host")).Run()\n}\n',
        ),
    ),
}
# What a Containerfile depends on is in the image: packages of the base, judged by the bill of materials.
CONTAINERFILE: Final = 'FROM base/python:3.13\nARG MODE=fast\nRUN build --mode "$MODE"\nUSER 1000\n'
BASE: Final = (Part("deb", "base-files", "13.8+deb13u2", "amd64"), Part("pypi", "PyYAML", "6.0.2"))
OLD: Final = Part("deb", "zlib1g", "1:1.3.dfsg+really1.3.1-1", "amd64", "zlib")


@pytest.fixture
def stand(scanner: Scanner, advisories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    programs = engine.build(("gitleaks",))
    monkeypatch.setenv("PATH", f"{programs.path('gitleaks').parent}:/usr/bin:/bin")
    made = Stand(tmp_path, scanner)
    (made.root / "web").mkdir()
    return made


def clean() -> dict[str, str]:
    """A project in all languages with nothing wrong in it."""
    files = {name: text for language in LANGUAGES.values() for name, text in language.clean.items()}
    return files | {"Containerfile": CONTAINERFILE}


def stopped(stand: Stand, files: dict[str, str]) -> list[Finding]:
    """What stops the run."""
    with pytest.raises(StepFailed, match="this run") as failed:
        stand.look(files, stand.task())
    assert failed.value.reason == "FindingsBlock" and TOKEN not in str(failed.value)
    return [item for item in stand.kept(1).items if item.severity in ("high", "critical")]


def test_a_clean_project_in_every_language_passes(stand: Stand) -> None:
    assert stand.look(clean(), stand.task()).found.items == ()


def test_everything_that_is_wrong_anywhere_is_found_at_once(stand: Stand) -> None:
    wrong = dict(part for each in LANGUAGES.values() for part in (each.secret, each.dependency, each.injection))
    wrong["Containerfile"] = f'{CONTAINERFILE}ENV TOKEN={TOKEN}\nRUN eval "build --mode $MODE"\n'
    found = {(item.kind, item.path) for item in stopped(stand, clean() | wrong)}
    for each in LANGUAGES.values():
        assert {("secret", each.secret[0]), ("dependency", each.dependency[0]), ("source", each.injection[0])} <= found
    assert {("secret", "Containerfile"), ("source", "Containerfile")} <= found


@pytest.mark.full
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("wrong", "kind"), [("secret", "secret"), ("dependency", "dependency"), ("injection", "source")]
)
def test_one_of_it_alone_stops_a_run(stand: Stand, language: str, wrong: str, kind: str) -> None:
    name, text = getattr(LANGUAGES[language], wrong)
    (found,) = stopped(stand, clean() | {name: text})
    assert (found.kind, found.path) == (kind, name) and found.fix


@pytest.mark.full
@pytest.mark.parametrize(
    ("line", "kind"),
    [(f"ENV TOKEN={TOKEN}", "secret"), ('RUN eval "build --mode $MODE"', "source")],
)
def test_a_containerfile_alone_stops_a_run(stand: Stand, line: str, kind: str) -> None:
    found = stopped(stand, clean() | {"Containerfile": f"{CONTAINERFILE}{line}\n"})
    assert {item.path for item in found} == {"Containerfile"} and kind in {item.kind for item in found}


@pytest.mark.parametrize("wrong", [True, False])
def test_an_old_package_of_the_base_stops_a_run_where_the_project_says_so(stand: Stand, wrong: bool) -> None:
    digest = stand.registry.put_manifest("acme/shop", "run-1", {"schemaVersion": 2, "mediaType": MANIFEST})["digest"]
    parts = [*BASE, OLD] if wrong else [*BASE]
    text = bill.document("acme/shop", "1", digest, parts).encode()
    stand.registry.put_artefact("acme/shop", bill.KIND, text, subject=digest)
    task = stand.task(scan={"blockImage": "high", "source": False, "secrets": False, "dependencies": False})
    built = scan_stage.Built(task, stand.bench, stand.registry, digest)
    scanned = scan_stage.look_at_image(built, stand.look(clean(), task), stand.asking)
    if wrong:
        with pytest.raises(StepFailed, match="zlib"):
            scan_stage.judge(task, scanned)
    else:
        scan_stage.judge(task, scanned)


HEX, UPPER = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECRETS: Final = {
    "aws-access-token": "AKIA" + made_up("aws", 16, UPPER),
    "digitalocean-pat": "dop_v1_" + made_up("do", 64, HEX),
    "gcp-api-key": "AIza" + made_up("gcp", 35),
    "github-app-token": "ghs_" + made_up("ghs", 36),
    "github-fine-grained-pat": "github_pat_" + made_up("fine", 82),
    "gitlab-pat": "glpat-" + made_up("glpat", 20),
    "huggingface-access-token": "hf_" + made_up("hf", 34, LETTERS[:26]),
    "npm-access-token": "npm_" + made_up("npm", 36, LETTERS[:26] + "0123456789"),
    "private-key": "-----BEGIN RSA "
    + "PRIVATE KEY-----\n"
    + made_up("key", 200)
    + "\n-----END RSA "
    + "PRIVATE KEY-----",
    "pypi-upload-token": "pypi-AgEIcHlwaS5vcmc" + made_up("pypi", 80),
    "sendgrid-api-token": "SG." + made_up("sg", 22).lower() + "." + made_up("sg2", 43).lower(),
    "shopify-access-token": "shpat_" + made_up("shop", 32, HEX),
    "slack-bot-token": "xoxb-"
    + made_up("a", 12, "0123456789")
    + "-"
    + made_up("b", 12, "0123456789")
    + "-"
    + made_up("c", 24),
    "stripe-access-token": "sk_live_" + made_up("stripe", 24),
}
TRAPS: Final = {
    "package-lock.json": '{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0", "resolved": '
    '"https://registry.example.org/a-1.0.0.tgz", "integrity": "sha512-' + made_up("lock", 86) + '=="}}}',
    "yarn.lock": 'a@^1.0.0:\n  version "1.0.0"\n  integrity sha512-' + made_up("yarn", 86) + "==\n",
    "poetry.lock": '[[package]]\nname = "a"\nversion = "1"\nfiles = [\n  {file = "a-1.tar.gz", hash = "sha256:'
    + made_up("poetry", 64, HEX)
    + '"},\n]\n',
    "go.sum": f"example.org/a v1.0.0 h1:{made_up('sum', 43)}=\nexample.org/a v1.0.0/go.mod h1:{made_up('mod', 43)}=\n",
    "ids.py": "".join(
        f'{name}_ID = "{uuid.uuid5(uuid.NAMESPACE_DNS, name)}"\n' for name in ("TENANT", "SESSION", "KEY")
    ),
    "web/app.min.js": "!function(e,t){"
    + "".join(f'e.{made_up(str(number), 2)}="{made_up(f"min{number}", 20)}",t[{number}]=e;' for number in range(300))
    + "}(window,{});",
    "web/app.css": f".a{{background:url(data:font/woff2;base64,{made_up('font', 120)})}}\n",
    "commits.txt": "".join(f"{made_up(f'commit{number}', 40, HEX)} A change.\n" for number in range(20)),
    "tls.crt": "-----BEGIN CERTIFICATE-----\n" + made_up("crt", 200) + "\n-----END CERTIFICATE-----\n",
    "key.pub": "-----BEGIN PUBLIC KEY-----\n" + made_up("pub", 120) + "\n-----END PUBLIC KEY-----\n",
    "README.md": "Set `TOKEN=<your token>` and `AWS_ACCESS_KEY_ID=AKIA" + "IOSFODNN7EXAMPLE`, password: changeme.\n",
    "compose.yaml": "services:\n  db:\n    environment:\n      PASSWORD: ${DB_PASSWORD}\n      TOKEN: ${TOKEN:?}\n",
    "test_digest.py": f'assert digest("a") == "{made_up("digest", 64, HEX)}"\n',
}


def test_tokens_of_many_issuers_are_found_each_by_its_own_mark(stand: Stand) -> None:
    files = {f"secret{number}.txt": f'value = "{text}"\n' for number, text in enumerate(SECRETS.values())}
    found = {(item.path, item.rule) for item in stopped(stand, files)}
    missing = [rule for number, rule in enumerate(SECRETS) if (f"secret{number}.txt", rule) not in found]
    assert not missing, found


def test_what_only_looks_like_a_secret_stops_nothing(stand: Stand) -> None:
    told = stand.look(TRAPS, stand.task(scan={"dependencies": False}))
    assert [(item.path, item.rule) for item in told.found.items if item.kind == "secret"] == []
