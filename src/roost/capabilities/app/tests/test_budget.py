"""The error budget: what is left of it, and what that keeps from beginning."""

from datetime import timedelta

from roost.capabilities.app import budget
from roost.capabilities.app.plan import plan
from roost.capabilities.app.tests.test_rollout import NEW, OLD, World, reason, release, shares
from roost.kernel import golden
from roost.model.kinds.app import App, AppStatus, Budget, Counters, Rollout, Slo
from roost.model.resource import Metadata

PROMISE = Slo(availability="99")


def world(left: int, rollout: Rollout | None = None) -> World:
    made = World(rollout or Rollout())
    made.spec = made.spec.model_copy(update={"slo": PROMISE})
    made.status = {"budget": Budget(parts=(Counters(),), left_percent=left, at="2026-11-28T12:00:00Z").wire()}
    return made


def test_what_is_left_is_what_failures_have_not_used() -> None:
    assert budget.percent([Counters(requests=1000)], "99") == 100
    assert budget.percent([Counters(requests=1000, errors=5)], "99") == 50
    assert budget.percent([Counters(requests=500, errors=5), Counters(requests=500, errors=5)], "99") == 0
    assert budget.percent([Counters(requests=1000, errors=30)], "99") == 0
    assert budget.percent([], "99") == 100


def test_what_was_counted_before_the_promise_does_not_count_and_a_gateway_may_begin_anew() -> None:
    held = Budget(parts=(Counters(),), part=budget._part(PROMISE, golden.NOW), last=Counters(requests=900, errors=90))
    more = budget.brought(held, Counters(requests=1000, errors=90), PROMISE, golden.NOW)
    assert more.parts == (Counters(requests=100),)
    anew = budget.brought(more, Counters(requests=50, errors=1), PROMISE, golden.NOW)
    assert anew.parts == (Counters(requests=150, errors=1),)


def test_old_failures_leave_the_window() -> None:
    held = Budget(parts=(Counters(requests=100, errors=50),), part=budget._part(PROMISE, golden.NOW))
    later = golden.NOW + timedelta(days=29)
    assert budget.brought(held, Counters(), PROMISE, later).left_percent == 0
    assert budget.brought(held, Counters(), PROMISE, golden.NOW + timedelta(days=31)).left_percent == 100


def test_nothing_is_written_while_nothing_is_new() -> None:
    made = World()
    made.spec = made.spec.model_copy(update={"slo": PROMISE})
    made.releases = [release(1, OLD, "Superseded"), release(2, NEW, "Live")]
    made.running = {"web": (NEW, 3), "worker": (NEW, 1)}
    assert "budget" in made.look().status
    assert "budget" not in made.look(600).status
    made.traffic["web"] = Counters(requests=10)
    assert "budget" in made.look(1).status
    made.traffic["web"] = Counters(requests=20)
    assert "budget" not in made.look(1).status, "it is looked at every five minutes"
    assert made.look(0).next_check == budget.LOOKS


def test_without_a_budget_no_new_version_begins() -> None:
    made = world(0)
    for _ in range(4):
        told = made.look(10)
    assert reason(told) == "ErrorBudgetSpent"
    assert made.running == {"web": (OLD, 3), "worker": (OLD, 1)}


def test_a_person_lets_it_in_all_the_same() -> None:
    made = world(0, Rollout(promote=2))
    made.look()
    assert made.running["web"][0] == NEW


def test_the_way_back_is_free() -> None:
    made = world(0)
    made.releases = [release(1, NEW, "Superseded"), release(2, OLD, "Live"), release(3, NEW)]
    made.look()
    assert made.running["web"][0] == NEW


def test_a_version_that_has_begun_goes_on() -> None:
    made = world(0)
    made.running["web"] = (NEW, 3)
    made.look()
    assert made.running["web"][0] == NEW


def test_with_little_left_steps_take_twice_as_long() -> None:
    made = world(10, Rollout(strategy="blueGreen", bake_s=60))
    made.look()
    made.look(5)
    made.serve()
    assert shares(made.look(61)) == {"shop-web--next": 100}
    assert made.running["web"][0] == OLD
    made.look(60)
    assert made.running["web"][0] == NEW


def test_a_promise_that_is_taken_back_leaves_no_budget_behind() -> None:
    made = world(0)
    made.spec = made.spec.model_copy(update={"slo": Slo()})
    app = App(metadata=Metadata(name="shop"), spec=made.spec, status=AppStatus.model_validate(made.status))
    assert plan(app, made.observed(), golden.NOW).status["budget"] is None
