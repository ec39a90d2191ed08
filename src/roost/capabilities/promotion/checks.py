"""Named checks of an environment's gates: rejected, approved, frozen. Pure."""

from datetime import datetime
from typing import Final

from roost.capabilities.promotion.model import Observed, SeenApproval
from roost.model.contributors import Written
from roost.model.kinds.gates import frozen
from roost.model.plan import Verdict

OK = Verdict(True)
TOLD: Final = 5


def counting(observed: Observed) -> tuple[SeenApproval, ...]:
    """The approvals that count: each person's first, and with four eyes none by who made the change."""
    counted: dict[str, SeenApproval] = {}
    for given in observed.approvals:
        if given.decision != "approve" or not given.person:
            continue
        if observed.gates.four_eyes and given.person in observed.makers.people:
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
    if observed.gates.four_eyes and observed.makers.people:
        but = f" {', '.join(observed.makers.people)} made the change and cannot."
    but += _strangers(observed.makers.written)
    return Verdict(
        False,
        "AwaitingApproval",
        f"{len(given)} of {wanted} approvals{said}: an owner or approver of {observed.environment} approves it with "
        f"`roost approve {name} -t {observed.tenant} -e {observed.environment}`.{but}",
    )


def _strangers(written: Written | None) -> str:
    """Who else wrote: whoever approves should know that nobody here has these addresses."""
    if written is None:
        return ""
    unknown = [f"{item.name} <{item.mail}>" for item in written.people if not item.person]
    told = ", ".join(unknown[:TOLD])
    more = len(unknown) - TOLD + written.others
    said = (
        f" Also written by {told}{f' and {more} more' if more > 0 else ''}, whom no account here has." if told else ""
    )
    return said if written.complete else f"{said} Only the newest {written.commits} commits were looked through."


def makers_known(observed: Observed) -> Verdict:
    """With four eyes, whoever wrote it must be known before anybody's word can count."""
    wanted = observed.gates.four_eyes and observed.gates.approvals > 0
    if not wanted or not observed.makers.unknown:
        return OK
    how = (
        "Push it again, so that it is built and its history is known, or let an administrator do without four eyes "
        f"(`roost gate set -t {observed.tenant} -e {observed.environment} --no-four-eyes`)."
        if observed.makers.lasting
        else "It is asked again."
    )
    words = f"{observed.environment} wants four eyes, and who wrote this is not known: {observed.makers.unknown}. {how}"
    return Verdict(False, "AuthorsUnknown", words)


def let_in(observed: Observed, now: datetime) -> str:
    """Who opens the freeze that is on for this one, and why; empty: none is on, or nobody does."""
    given = next((item for item in counting(observed) if item.in_freeze), None)
    if given is None or frozen(observed.gates.freezes, now) is None:
        return ""
    return f"{given.person}: {given.comment}" if given.comment else given.person


def not_frozen(observed: Observed, now: datetime) -> Verdict:
    """No freeze window is on, or an owner's approval says that it goes in nevertheless."""
    found = frozen(observed.gates.freezes, now)
    if found is None or let_in(observed, now):
        return OK
    freeze, end = found
    until = f"until {end:%Y-%m-%d %H:%M} UTC" if end else "until the window is taken away"
    return Verdict(
        False,
        "Frozen",
        f"{observed.environment} is frozen {until}: {freeze.reason}. It goes in by itself afterwards; an owner lets it "
        "in earlier with `roost approve --in-freeze --comment WHY`.",
    )
