"""What a site gives to every RUN of a build: certificates, mirrors, proxy; none of it stays in the image (pure).

All of it travels as secrets of BuildKit: as files, and as variables.
"""

from collections.abc import Mapping
from dataclasses import dataclass

BUNDLE = "/run/roost/bundle.crt"
_TRUSTING = (
    "PIP_CERT",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
_MIRRORS = {
    "pip": ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
    "npm": ("NPM_CONFIG_REGISTRY", "YARN_NPM_REGISTRY_SERVER"),
    "go": ("GOPROXY",),
    "maven": ("MAVEN_MIRROR",),
}
_APT = f'Acquire::https::CaInfo "{BUNDLE}";\n'
_APT_PATH = "/etc/apt/apt.conf.d/95roost"


@dataclass(frozen=True)
class Site:
    """flags: for each RUN. texts: secrets by id, with their text. files: secrets by id, with the file they are in."""

    flags: str
    texts: Mapping[str, str]
    files: Mapping[str, str]


def mirrors(text: str) -> dict[str, str]:
    """`pip=URL npm=URL go=URL maven=URL` as a dict; what is not understood is left out."""
    pairs = (item.partition("=") for item in text.split())
    return {name: url for name, equals, url in pairs if equals and url.startswith(("http://", "https://"))}


def site(bundle: str, mirror_text: str, proxy: str, secrets: Mapping[str, str]) -> Site:
    """`bundle`: path of the CA bundle, or empty. `secrets`: the project's own build secrets, files by name."""
    variables: dict[str, str] = {}
    files: dict[str, str] = {}
    texts: dict[str, str] = {}
    flags: list[str] = []
    if bundle:
        files["roost-trust"] = bundle
        texts["roost-apt"] = _APT
        flags.append(f"--mount=type=secret,id=roost-trust,target={BUNDLE}")
        flags.append(f"--mount=type=secret,id=roost-apt,target={_APT_PATH}")
        variables |= dict.fromkeys(_TRUSTING, BUNDLE)
    for name, url in mirrors(mirror_text).items():
        variables |= dict.fromkeys(_MIRRORS.get(name, ()), url)
    if proxy:
        variables |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
    for name, value in variables.items():
        texts[f"roost-{name}"] = value
        flags.append(f"--mount=type=secret,id=roost-{name},env={name}")
    for name, path in secrets.items():
        files[name] = path
        flags.append(f"--mount=type=secret,id={name}")
    return Site(" ".join(flags), texts, files)
