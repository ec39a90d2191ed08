"""What the waiver capability sees of the cluster. Its kind is `roost.model.kinds.scan.Waiver`."""

from roost.model.notices import Telling
from roost.model.resource import Model


class Observed(Model):
    """All that a plan for a Waiver needs to know."""

    tenant: str = ""
    told: Telling = Telling()
