"""Named checks of an environment's gates: rejected, approved, frozen. Pure."""

from datetime import datetime

from roost.capabilities.promotion.model import Observed, SeenApproval
from roost.model.kinds.gates import frozen
from roost.model.plan import Verdict

OK = Verdict(True)


def counting(observed: Observed) -> tuple[SeenApproval, ...]:
    """The approvals that count: each person's first, and with four eyes none by who made the change."""
    counted: dict[str, SeenApproval] = {}
    for given in observed.approvals:
        if given.decision != "approve" or not given.person:
            continue
        if observed.gates.four_eyes and given.person in observed.makers:
            continue
        counted.setdefault(given.person, given)
    return tuple(counted.values())


def not_rejected(observed: Observed) -> Verdict:
    """Nobody who may approve has rejected it: one is enough, and it is final."""
    against = next((given for given in observed.approvals if given.decision == "reject"), None)
    if against is None:
        return OK
    why = f": {against.comment}" if against.comment else ""
    return Verdict(False, "Rejected", f"{against.person} rejected it{why}")


def approved(name: str, observed: Observed) -> Verdict:
    """As many people have approved as the environment asks for."""
    wanted, given = observed.gates.approvals, counting(observed)
    if len(given) >= wanted:
        return OK
    said = f" ({', '.join(item.person for item in given)})" if given else ""
    but = ""
    if observed.gates.four_eyes and observed.makers:
        but = f" {', '.join(observed.makers)} made the change and cannot."
    return Verdict(
        False,
        "AwaitingApproval",
        f"{len(given)} of {wanted} approvals{said}: an owner or approver of {observed.environment} approves it with "
        f"`roost approve {name} -t {observed.tenant} -e {observed.environment}`.{but}",
    )


def not_frozen(observed: Observed, now: datetime) -> Verdict:
    """No freeze window is on, or an owner's approval says that it goes in nevertheless."""
    found = frozen(observed.gates.freezes, now)
    if found is None or any(given.in_freeze for given in counting(observed)):
        return OK
    freeze, end = found
    until = f"until {end:%Y-%m-%d %H:%M} UTC" if end else "until the window is taken away"
    return Verdict(
        False,
        "Frozen",
        f"{observed.environment} is frozen {until}: {freeze.reason}. It goes in by itself afterwards; an owner lets it "
        "in earlier with `roost approve --in-freeze`.",
    )
