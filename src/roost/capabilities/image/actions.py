"""Signing a base when the first environment asks for it: only the platform pushes to `base/`."""

from roost.kernel.action import ActionContext
from roost.model.plan import Action
from roost.surface.signing import sign_image


async def sign_base(action: Action, context: ActionContext) -> None:
    """Sign it. Twice is once."""
    await sign_image(context.settings, str(action.arguments["image"]), {"made-by": "the platform"})


ACTIONS = {"sign-base": sign_base}
