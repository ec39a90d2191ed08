"""The contract of sources, over every type of them with its real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.git import sources
from tests.integration.git.conftest import Server, StandIn, wait_for
from tests.integration.git.drivers import DRIVERS, HOSTILE, Bench, Driver

pytestmark = pytest.mark.integration
ONE, TWO = {"app.py": "one"}, {"app.py": "two", "lib/a.py": "a"}


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    sources.install()


@pytest.fixture
def bench(server: Server, cluster: StandIn, tmp_path: Path) -> Bench:
    cluster.source = "https://git.example.org/hello.git"
    (tmp_path / "desk").mkdir()
    return Bench(server, cluster, tmp_path / "desk")


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest, bench: Bench) -> Iterator[Driver]:
    with DRIVERS[request.param](bench) as made:
        yield made


class TestEverySource:
    """What holds of all of them."""

    def test_each_move_runs_once_and_a_return_runs_again(self, driver: Driver, bench: Bench) -> None:
        driver.put(ONE)
        assert driver.bring().moved and len(bench.cluster.runs) == 1
        first = bench.files()
        again = driver.bring()
        assert (again.ok, again.moved) == (True, False), again
        assert len(bench.cluster.runs) == 1
        driver.put(TWO)
        assert driver.bring().moved and len(bench.cluster.runs) == 2
        assert bench.files() != first
        driver.put(ONE)
        assert driver.bring().moved and bench.files() == first
        runs = [run["spec"] for run in bench.cluster.runs.values()]
        assert [run["attempt"] for run in runs] == [1, 2, 3] and runs[-1]["commit"] == bench.head()

    @pytest.mark.full
    def test_wrong_credentials_and_a_server_that_is_gone_change_nothing(self, driver: Driver, bench: Bench) -> None:
        driver.put(ONE)
        assert driver.bring().moved
        stands = bench.head()
        driver.put(TWO)
        driver.spoil()
        refused = driver.bring()
        assert (refused.ok, refused.reason) == (False, "CredentialsRefused")
        driver.vanish()
        gone = driver.bring()
        assert (gone.ok, gone.reason) == (False, "Unreachable")
        assert bench.head() == stands and len(bench.cluster.runs) == 1

    @pytest.mark.full
    def test_hostile_names_are_only_names(self, driver: Driver, bench: Bench) -> None:
        driver.put(HOSTILE)
        assert driver.bring().moved
        wait_for(lambda: len(bench.cluster.runs) == 1, "the run")
        assert set(bench.files()) in (set(HOSTILE), {"roost-image.json"})
        assert not [path for path in bench.folder.rglob("x") if path.is_file()]
