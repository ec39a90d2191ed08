"""What an error means: one table."""

import pytest
from pydantic import ValidationError

from roost.kernel.outcome import PATIENCE, conditions_after, judge
from roost.kube.errors import AlreadyExists, Conflict, Forbidden, Invalid, TooManyRequests, UnknownKind, Unreachable
from roost.model.conditions import Condition, not_ready
from roost.model.errors import Stalled, Waiting
from roost.model.kinds.app import App

QUOTA = Forbidden('pods "x" is forbidden: exceeded quota: team', 403)


@pytest.mark.parametrize(
    ("error", "reason", "retry", "after_s"),
    [
        (Stalled("NotPossible", "Change it."), "NotPossible", False, None),
        (Waiting("NotYet", "Later.", 7.0), "NotYet", False, 7.0),
        (QUOTA, "QuotaExceeded", True, None),
        (Forbidden("no", 403), "Refused", True, None),
        (Invalid("no", 422), "Refused", True, None),
        (AlreadyExists("there", 409, "AlreadyExists"), "Refused", True, None),
        (UnknownKind("The cluster does not serve it."), "KindMissing", True, None),
        (KeyError("x"), "InternalError", True, None),
    ],
)
def test_an_error_is_told_at_once(error: Exception, reason: str, retry: bool, after_s: float | None) -> None:
    judgement = judge(error, 0)
    assert judgement.condition is not None and judgement.condition.reason == reason
    assert (judgement.retry, judgement.after_s) == (retry, after_s)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unreachable("reset"), "Retrying"),
        (TooManyRequests("slow down", 4.0), "Retrying"),
        (Conflict("changed", 409, "Conflict"), "Conflict"),
        (TimeoutError(), "TimedOut"),
    ],
)
def test_a_hiccup_is_told_when_it_lasts(error: Exception, reason: str) -> None:
    assert judge(error, PATIENCE - 1).condition is None
    condition = judge(error, PATIENCE).condition
    assert condition is not None and condition.reason == reason
    assert judge(error, 0).retry


def test_the_server_s_wish_to_wait_is_heeded() -> None:
    assert judge(TooManyRequests("slow down", 4.0), 0).least_s == 4.0


def test_a_bug_does_not_tell_secrets() -> None:
    judgement = judge(KeyError("password=hunter2"), 0)
    assert judgement.unexpected and judgement.condition is not None
    assert "hunter2" not in judgement.condition.message and "KeyError" in judgement.condition.message


def test_an_object_that_does_not_fit_is_told_where() -> None:
    with pytest.raises(ValidationError) as caught:
        App.parse({"metadata": {"name": "x"}, "spec": {"processes": [{"name": "web", "replicas": -1}]}})
    condition = judge(caught.value, 0).condition
    assert condition is not None and condition.reason == "Invalid"
    assert "spec.processes.0.replicas" in condition.message


def test_other_conditions_stay() -> None:
    old = [
        {"type": "Domains", "status": "False", "reason": "Refused", "message": "m"},
        {"type": "Ready", "status": "True"},
    ]
    after = conditions_after(old, not_ready("X", "y"))
    assert after == (Condition("Domains", "False", "Refused", "m"), Condition("Ready", "False", "X", "y"))
