"""What two environments set differently: told without any value of configuration."""

from roost.model.kinds.app import AppSpec, Process, Resources, Variable
from roost.model.settings_difference import MOST, differences


def _variables(**values: str) -> tuple[Variable, ...]:
    return tuple(Variable(name=name, value=value) for name, value in values.items())


def test_scale_is_told_with_its_values_and_configuration_without() -> None:
    source = AppSpec(
        config=_variables(DATABASE="canary-1", ONLY_THERE="canary-2", SAME="x"),
        secret_version="canary-3",
        processes=(Process(name="web", replicas=1),),
    )
    target = AppSpec(
        config=_variables(DATABASE="canary-4", ONLY_HERE="canary-5", SAME="x"),
        secret_version="canary-6",
        domains=("canary-7.example",),
        processes=(Process(name="web", replicas=4, resources=Resources(memory="1Gi")),),
    )
    found = differences(source, target)
    told = {item.field: (item.where, item.source, item.target) for item in found}
    assert told == {
        "config[DATABASE].value": ("both", None, None),
        "config[ONLY_HERE].value": ("target", None, None),
        "config[ONLY_THERE].value": ("source", None, None),
        "domains": ("target", None, None),
        "processes[web].replicas": ("both", "1", "4"),
        "processes[web].resources.memory": ("both", "256Mi", "1Gi"),
        "secrets": ("both", None, None),
    }
    assert "canary" not in str([item.wire() for item in found])


def test_what_a_build_brings_is_no_setting() -> None:
    source = AppSpec(processes=(Process(name="web", port=8000, command=("a",)),), release_command=("migrate",))
    target = AppSpec(processes=(Process(name="web", port=9000, command=("b",)),))
    assert differences(source, target) == ()


def test_a_new_application_lacks_what_was_set_elsewhere() -> None:
    source = AppSpec(config=_variables(DATABASE="x"), processes=(Process(name="web", replicas=3),))
    assert [(item.field, item.where) for item in differences(source, None)] == [("config[DATABASE].value", "source")]


def test_the_list_is_bounded() -> None:
    source = AppSpec(config=_variables(**{f"V{number}": "x" for number in range(MOST + 50)}))
    assert len(differences(source, AppSpec())) == MOST
