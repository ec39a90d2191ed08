"""The engine's cache: whole or absent, pruned, resumed; and what is told when something is not there."""

import os
from pathlib import Path

import pytest

from roost.node import engine, engine_compile, engine_toolchain, packages, paths
from roost.node.engine import Built, Engine, EngineIncomplete, Store, build, chosen, existing
from roost.node.engine_compile import MakeFailed
from roost.node.engine_components import Component
from roost.node.engine_toolchain import Toolchain
from roost.node.progress import Lines

KEYS = [f"{n:012x}" for n in range(5)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "engine", tmp_path / "logs")
    made.root.mkdir()
    return made


def entry(store: Store, name: str, key: str, age: int) -> Path:
    path = store.entry(name, key)
    path.mkdir()
    os.utime(path, (1000 - age, 1000 - age))
    return path


def test_an_entry_appears_only_when_whole(store: Store) -> None:
    with store.making("cni", KEYS[0]) as into:
        (into / "bin").mkdir()
        assert not store.entry("cni", KEYS[0]).exists()
    assert (store.entry("cni", KEYS[0]) / "bin").is_dir()


def test_an_interrupted_making_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.making("cni", KEYS[0]) as into:
        (into / "bin").mkdir()
        raise KeyboardInterrupt
    assert list(store.root.iterdir()) == []


def test_what_a_killed_build_left_of_this_component_is_removed(store: Store) -> None:
    stale, other = store.root / ".making-cni-99999999", store.root / ".making-cni-more-1"
    stale.mkdir()
    other.mkdir()
    with store.making("cni", KEYS[0]):
        assert not stale.exists()
    assert other.exists()


def test_pruning_keeps_the_current_entry_and_the_last_other(store: Store) -> None:
    paths = [entry(store, "cni", key, age) for key, age in zip(KEYS, (40, 10, 20, 30, 0), strict=True)]
    same_prefix = entry(store, "cni-more", KEYS[0], 99)
    removed = store.prune({"cni": KEYS[0]})
    assert [path.exists() for path in paths] == [True, False, False, False, True]
    assert len(removed) == 3
    assert same_prefix.exists()


def test_an_unknown_component_is_answered_with_those_there_are() -> None:
    with pytest.raises(EngineIncomplete, match=r"`kubernetis` is no component.*There are: etcd"):
        chosen({"etcd": component("etcd")}, ["kubernetis"])


def test_what_no_cluster_runs_on_is_built_only_when_named() -> None:
    every = {"etcd": component("etcd"), "kwok": component("kwok").model_copy(update={"optional": True})}
    assert chosen(every, None) == ["etcd"]
    assert chosen(every, ["kwok", "etcd", "kwok"]) == ["kwok", "etcd"]


def component(name: str) -> Component:
    return Component(name=name, about="x", kind="go", module="m", version="v1", programs={name: "."})


def test_programs_are_found_by_any_of_their_names() -> None:
    multi = component("kubernetes").model_copy(update={"links": {"kubernetes": ("kubelet",)}})
    made = Engine({"kubernetes": Built(multi, Path("/c/kubernetes-1"), "1")})
    assert made.path("kubelet") == Path("/c/kubernetes-1/bin/kubelet")
    assert made.component_dir("kubernetes") == Path("/c/kubernetes-1")
    assert (made.version("kubernetes"), made.key("kubernetes")) == ("v1", "1")
    with pytest.raises(EngineIncomplete, match="roost node build"):
        made.path("etcd")
    with pytest.raises(EngineIncomplete, match="roost node build"):
        made.component_dir("etcd")


class Compiler:
    """Stands in for the compiler: makes a program, or fails, and counts."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.failing = ""

    def __call__(
        self, component: Component, folder: Path, go: Toolchain, into: Path, log: Path, tick: engine_compile.Tick
    ) -> None:
        if component.name == self.failing:
            raise MakeFailed(f"{component.name} could not be built.")
        (into / "bin").mkdir(parents=True)
        tick("halfway")
        self.made.append(component.name)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """A checkout with components a and b, an empty cache, and a compiler that needs no Go."""
    for name in ("a", "b"):
        folder = tmp_path / "checkout/engine" / name
        folder.mkdir(parents=True)
        (folder / "go.mod").write_text("require m v1.0.0\n")
        (folder / "component.toml").write_text(
            f'about = "x"\nkind = "go"\nmodule = "m"\ndebian = ["gcc"]\n[programs]\n{name} = "."\n'
        )
    made = Compiler()
    monkeypatch.setenv("ROOST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "source", lambda: tmp_path / "checkout")
    monkeypatch.setattr(packages, "ensure", lambda names: [])
    monkeypatch.setattr(engine_toolchain, "find", lambda folder: Toolchain("go", "go1 linux/amd64"))
    monkeypatch.setattr(engine_compile, "make", made)
    return made


def test_what_is_there_is_not_made_again(compiler: Compiler) -> None:
    with open(os.devnull, "w") as out:
        build(None, Lines(out))
        made = build(None, Lines(out))
    assert compiler.made == ["a", "b"]
    assert made.path("a").parent.is_dir()
    assert existing().key("b") == made.key("b")


def test_a_build_goes_on_where_it_failed(compiler: Compiler) -> None:
    compiler.failing = "b"
    with open(os.devnull, "w") as out:
        with pytest.raises(MakeFailed, match="b could not be built"):
            build(None, Lines(out))
        with pytest.raises(EngineIncomplete, match="Not built yet: b"):
            existing()
        compiler.failing = ""
        build(None, Lines(out))
    assert compiler.made == ["a", "b"]


def test_the_command_tells_reasons_on_standard_error(compiler: Compiler, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine.main(["nothing"]) == 1
    assert "There are: a, b" in capsys.readouterr().err
    assert engine.main([]) == 0
    assert "v1.0.0" in capsys.readouterr().out
