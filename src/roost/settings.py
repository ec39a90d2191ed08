"""Settings: one frozen typed object, read once in `mains` and handed on as an argument.

Every field has a default, a unit where it has one, and a reason. Only `roost.mains` calls `Settings.read`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

PREFIX = "ROOST_"


class SettingRefused(ValueError):
    """A setting that cannot be used; its text names the variable and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """What an installation may decide."""

    domain: str = "roost.localhost"  # Applications answer beneath it; browsers and curl resolve *.localhost.
    registry: str = "registry.roost-system.svc:5000"  # Where images are pushed to and pulled from.
    git_url: str = "http://roost-git.roost-system.svc:8080"  # The git server that the API passes pushes on to.
    git_secret: str = "/etc/roost/git/token"  # File with what API, controller and git server share.
    oidc: str = "/etc/roost/oidc"  # Folder with what Roost is registered as at the site's OpenID provider.
    registry_key: str = "/etc/roost/registry/key.pem"  # File with the key that registry tokens are signed with.
    signing: str = "/etc/roost/signing"  # Folder with the key that images are signed with; the controller's alone.
    kubernetes_url: str = ""  # Where people reach kube-apiserver; empty: nobody is told.
    kubernetes_ca: str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"  # What its certificate is trusted by.
    api_url: str = "http://roost-api.roost-system.svc"  # Where the API is reached inside the cluster.
    builder_image: str = "roost.internal/buildkit:dev"  # The one image that a builder may run.
    platform_image: str = "roost.internal/platform:dev"  # Steps of a run use it.
    scanner_image: str = "roost.internal/scanner:dev"  # Runs beside them and scans what they ask for.
    identity: str = ""  # The name of this process in the Lease; the pod's name in a cluster.
    workers: int = 8  # Objects of one kind that are reconciled at the same time.
    resync_s: int = 600  # Seconds after which every object is looked at again, whatever happened.
    lease_duration_s: int = 12  # Seconds that a dead leader keeps the Lease.
    lease_renew_s: int = 3  # Seconds between two renewals.
    listen: str = "0.0.0.0:8080"  # Address of the API, or of the git server.
    metrics: str = "0.0.0.0:9090"  # Address of metrics and health.
    repositories: str = "/repositories"  # Where the git server keeps the repositories.
    max_repository_mib: int = 1024  # Mebibytes that one repository may take.
    max_push_mib: int = 512  # Mebibytes that one push may bring.
    max_build_s: int = 1800  # Seconds that a build may take.
    spare_s: int = 3600  # Seconds after a run that a tenant has a pod waiting for the next one; 0: none.
    builder_idle_s: int = 1800  # Seconds without a run after which a tenant's builder goes.
    trust_bundle: str = "/etc/roost/trust/bundle.crt"  # CA bundle for calls to the outside.
    drain_url: str = ""  # The server that knows where gateways lead; empty: there is none, and ends wait a fixed time.
    http_proxy: str = ""  # Proxy of the site, handed to builds.
    mirrors: str = ""  # Package mirrors of the site, handed to builds: `pip=URL npm=URL go=URL maven=URL`.
    advisories: str = ""  # Mirror of the OSV archives, `URL/<ecosystem>/all.zip`; empty: given by hand, or none.

    notice_networks: str = ""  # CIDRs inside the site that webhooks of tenants may reach, divided by spaces.
    smtp: str = ""  # The site's mail server: `smtps://host:465`, `smtp+starttls://host:587`, `smtp://host`.
    mail_from: str = "roost@roost.localhost"  # Who mails of the platform come from.
    mail_domains: str = ""  # Domains that tenants may have mail sent to, divided by spaces; empty: any.

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Settings from `ROOST_*` variables; SettingRefused names the one that does not fit."""
        values: dict[str, str | int] = {}
        for item in fields(cls):
            text = environment.get(PREFIX + item.name.upper())
            if text is None:
                continue
            if item.type is int or item.type == "int":
                if not text.isdigit():
                    raise SettingRefused(f"{PREFIX}{item.name.upper()}={text!r} is not a whole number.")
                values[item.name] = int(text)
            else:
                values[item.name] = text
        return cls(**values)  # type: ignore[arg-type]
