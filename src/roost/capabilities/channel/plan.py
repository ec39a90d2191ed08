"""The plan of a Channel: whether it works, and the test that a person asks for. Pure.

What is told on it is planned by those that end runs and promotions (`roost.model.notices`).
"""

from datetime import datetime

from roost.capabilities.channel.model import Observed
from roost.model import notices
from roost.model.conditions import Condition, not_ready, ready, timestamp
from roost.model.kinds.channel import Channel
from roost.model.names import BUILD, split_namespace
from roost.model.plan import Apply, Plan


def plan(channel: Channel, observed: Observed, now: datetime) -> Plan:
    """What should be of this Channel. Time matters only to what a test tells."""
    names = split_namespace(channel.metadata.namespace or "")
    if names is None or names[1] != BUILD:
        words = "A channel belongs into the build namespace of a tenant."
        return Plan(conditions=(not_ready("WrongNamespace", words),))
    condition = _condition(channel, observed)
    return Plan(
        apply=_test(channel, names[0], now) if condition.status == "True" else (),
        conditions=(condition,),
        status={"tested": channel.spec.test if condition.status == "True" else channel.status.tested},
    )


def _test(channel: Channel, tenant: str, now: datetime) -> tuple[Apply, ...]:
    if channel.spec.test <= (channel.status.tested or 0):
        return ()
    meta, number = channel.metadata, channel.spec.test
    seen = notices.SeenChannel(name=meta.name, uid=meta.uid, spec=channel.spec)
    facts = {"message": "This is a test: the channel works."}
    return (notices.notice(seen, tenant, "channel.test", f"{meta.uid}/{number}", facts, timestamp(now)),)


def _condition(channel: Channel, observed: Observed) -> Condition:
    spec = channel.spec
    if observed.secret_missing:
        words = f"There is no Secret {spec.secret}: `roost channel secret {channel.metadata.name}` makes one."
        return not_ready("SecretMissing", words)
    if spec.type == "mail" and not observed.mail:
        return not_ready("NoMailServer", "This site has no mail server (ROOST_SMTP): ask an administrator.")
    foreign = [address for address in spec.to if observed.domains and _domain(address) not in observed.domains]
    if foreign:
        return not_ready("ForeignDomain", f"Mail goes to {', '.join(observed.domains)} only, not to {foreign[0]}.")
    if not observed.room:
        return not_ready("Full", "Too many notices wait: nothing more is told until some were delivered or went.")
    if spec.paused:
        return ready("Paused", "Nothing is told on it meanwhile.")
    failed = f" {observed.failed} notices could not be delivered: `roost channel notices`." if observed.failed else ""
    return ready("Ready", f"It tells of {', '.join(spec.events) or 'nothing'}.{failed}")


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
