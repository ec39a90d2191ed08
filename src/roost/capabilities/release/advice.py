"""What is said of going back to a version: by the API in English, by the command line in the language of its user.

Apart from the checks themselves, so that the command line loads nothing heavy.
"""

from typing import Final

# By verdict: words and colour.
VERDICTS: Final = {
    "same": ("There is nothing to go back to.", "yellow"),
    "safe": ("Looks safe.", "green"),
    "care": ("Take care.", "yellow"),
    "refused": ("Refused.", "red"),
}
# By the reason of a check; places for values as the check names them.
SAYS: Final = {
    "Same": "It is what should run already.",
    "NoImage": "That version has no image: nothing would run.",
    "ImageGone": "Its image is no longer in the registry: its instances could not start.",
    "ImageUnknown": "The registry does not answer, so it is not known whether its image is still there.",
    "ImageForeign": "Its image is in no registry of the platform, so it is not known whether it is still there.",
    "NotSigned": "Its image may not run here: {message}",
    "SecretsGone": "Its secret configuration is no longer kept.",
    "NeverServed": "That version never served.",
    "CommandRan": "A release command ran since ({versions}): what it did to a database is not undone.",
    "SecretsReplaced": "Its secrets come back too; one that was replaced since may no longer be valid.",
    "ProcessesEnd": "These processes end: {names}.",
    "NoRoom": "The environment has no room for it: {resource} would be {wanted} of {hard}.",
    "TightRoom": "There is no room for one more instance while the versions change: {resource} would be {wanted} of "
    "{hard}. It may wait for old ones to end.",
    "HostnamesLost": "These host names lead here no longer and would not come back: {names}.",
    "Stopped": "The application is stopped, and stays so.",
    "NotAllowed": "{message}",
}
