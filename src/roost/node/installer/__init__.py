"""The installer: the platform into a cluster, whichever it is, its next version, the way back, and its removal.

    options     what an installation decides
    rendering   options and images -> manifests, in phases                  pure
    record      what is installed, kept in the cluster with its manifests
    facts, checks   what a cluster must offer: facts in, findings out       pure
    observe, probe  how the facts are found: reads, and pods that try
    kinds       what a change of custom resource definitions means           pure
    deploy      the one way to apply: used by `roost node up`, `install`, `upgrade` and `upgrade --back`
    foreign     `roost install`: images, trust and bases for a cluster that is not the machine's own
    removal     `roost uninstall`
    commands    what a person types

The embedded cluster's own parts (engine, Cilium, DNS, this machine's disks) stay with `roost.node`.
"""
