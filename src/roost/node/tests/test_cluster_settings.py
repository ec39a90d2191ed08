"""What the control plane, kubelet and containerd are told: the native walls are on."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from roost.node import containerd, control_plane, kubeadm, machine, pki
from roost.node.kubectl import NotReady, wait_until, workload_ready
from roost.node.run import CommandFailed, run

NODE = machine.Node("node-a", "192.0.2.7", "eth0")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def api_arguments() -> dict[str, str]:
    return {item["name"]: item["value"] for item in kubeadm.api_server(NODE, "1")["extraArgs"]}


def test_anonymous_callers_reach_health_only() -> None:
    anonymous = kubeadm.authentication()["anonymous"]
    assert {item["path"] for item in anonymous["conditions"]} == {"/livez", "/readyz", "/healthz"}
    assert "anonymous-auth" not in api_arguments()  # The two exclude each other.


def test_the_api_servers_walls_are_on() -> None:
    told = api_arguments()
    for plugin in ("NodeRestriction", "DenyServiceExternalIPs", "OwnerReferencesPermissionEnforcement"):
        assert plugin in told["enable-admission-plugins"].split(",")
    assert told["profiling"] == "false"
    assert told["service-account-extend-token-expiration"] == "false"
    assert told["kubelet-certificate-authority"].endswith("/pki/ca.crt")
    for name in ("audit-policy-file", "encryption-provider-config", "admission-control-config-file"):
        assert told[name].startswith(str(machine.POLICY))


def test_secrets_are_encrypted_and_old_ones_still_read() -> None:
    resource = kubeadm.encryption("a2V5")["resources"][0]
    assert resource["resources"] == ["secrets"]
    assert [next(iter(provider)) for provider in resource["providers"]] == ["secretbox", "identity"]


def test_the_audit_policy_never_writes_a_secrets_content() -> None:
    for rule in kubeadm.audit()["rules"]:
        kinds = [kind for group in rule.get("resources", []) for kind in group.get("resources", [])]
        if "secrets" in kinds:
            assert rule["level"] == "Metadata"
            return
        assert rule["level"] == "None"
    pytest.fail("no rule names secrets")


def test_pods_are_restricted_where_a_namespace_says_nothing() -> None:
    configuration = kubeadm.admission()["plugins"][0]["configuration"]
    assert configuration["defaults"]["enforce"] == "restricted"
    assert configuration["exemptions"]["namespaces"] == ["kube-system"]


def test_the_kubelet_is_closed() -> None:
    told = kubeadm.kubelet("/etc/resolv.conf")
    assert told["authentication"]["anonymous"] == {"enabled": False}
    assert told["authorization"] == {"mode": "Webhook"}
    assert told["readOnlyPort"] == 0
    assert told["seccompDefault"] and told["protectKernelDefaults"] and told["podPidsLimit"] > 0
    assert told["cgroupRoot"] == "/roost" and told["failCgroupV1"] is False


def test_what_kubeadm_is_told_is_the_same_every_time_and_never_pulls() -> None:
    first = control_plane.documents(NODE, "v1.36.3", "3.6.8-0", "1")
    assert first == control_plane.documents(NODE, "v1.36.3", "3.6.8-0", "1")
    # A changed policy file is read only by an API server that starts anew.
    assert first != control_plane.documents(NODE, "v1.36.3", "3.6.8-0", "2")
    init, cluster, kubelet = yaml.safe_load_all(first)
    assert init["nodeRegistration"]["imagePullPolicy"] == "Never"
    assert cluster["imageRepository"] == "roost.internal"
    assert kubelet["kind"] == "KubeletConfiguration"


@pytest.mark.parametrize("restricted", [True, False])
def test_containerd_is_told_in_toml(restricted: bool) -> None:
    told = tomllib.loads(containerd.toml("roost.internal/pause:1", restricted))
    runtime = told["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is restricted
    assert told["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "roost.internal/pause:1"
    assert (told["oom_score"] < 0) is not restricted


def test_nodes_pull_with_a_certificate_and_never_push() -> None:
    told = tomllib.loads(containerd.hosts_toml())
    (host,) = told["host"].values()
    assert host["capabilities"] == ["pull", "resolve"]
    assert host["client"] and host["ca"]


def test_a_leaf_verifies_against_its_authority_for_its_names() -> None:
    signer = pki.authority("Test", NOW)
    pair = pki.leaf(signer, "a", ("a.example", "192.0.2.1"), NOW)
    pair.parsed.verify_directly_issued_by(signer.parsed)
    names = pair.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    assert pair.parsed.not_valid_after_utc <= NOW + pki.LEAF_LIFE


def test_a_certificate_is_made_anew_when_names_signer_or_age_call_for_it() -> None:
    signer = pki.authority("Test", NOW)
    pair = pki.leaf(signer, "a", ("a.example",), NOW)
    assert pki.still_good(pair, signer, ("a.example",), NOW)
    assert not pki.still_good(pair, signer, ("b.example",), NOW)
    assert not pki.still_good(pair, pki.authority("Test", NOW), ("a.example",), NOW)
    assert not pki.still_good(pair, signer, ("a.example",), NOW + pki.LEAF_LIFE - timedelta(days=1))


def test_private_files_are_roots_own_and_written_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    assert pki.write_private(path, "secret")
    assert not pki.write_private(path, "secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["key"]


def test_a_failed_program_is_told_with_its_last_words() -> None:
    with pytest.raises(CommandFailed, match="ended with 3") as failed:
        run(["sh", "-c", "echo broken >&2; exit 3"])
    assert failed.value.output == "broken"
    with pytest.raises(CommandFailed, match="not installed"):
        run(["there-is-no-such-program"])


def workload(kind: str = "Deployment", **status: int) -> dict[str, object]:
    return {"kind": kind, "metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}


def test_a_workload_is_ready_only_in_its_present_form() -> None:
    assert workload_ready(workload(observedGeneration=2, replicas=2, readyReplicas=2, updatedReplicas=2))
    assert not workload_ready(workload(observedGeneration=2, replicas=3, readyReplicas=2, updatedReplicas=2))
    assert not workload_ready(workload(observedGeneration=1, readyReplicas=2, updatedReplicas=2))
    assert not workload_ready(workload(observedGeneration=2, readyReplicas=2, updatedReplicas=1))
    ready = {"desiredNumberScheduled": 1, "numberReady": 1, "updatedNumberScheduled": 1}
    assert workload_ready(workload("DaemonSet", observedGeneration=2, **ready))
    assert not workload_ready(workload("DaemonSet", observedGeneration=2))


def test_waiting_ends_with_what_is_known() -> None:
    with pytest.raises(NotReady, match="pod x waits"):
        wait_until("It", lambda: False, within_s=0, explain=lambda: "pod x waits")
