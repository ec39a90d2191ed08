"""What is looked at elsewhere: one module for each type of source, each with `look(task, place) -> FetchReport`.

`roost.builds.foreign` chooses the module. Hosted repositories and archives need none: people bring these themselves.
"""
