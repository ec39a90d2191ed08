"""What the commands of the CLI and of the capabilities share: words, options, output, failures, following long work.

Nothing here imports pydantic, an HTTP client, YAML or rich at module level: `roost` starts in under 0.15 s.
"""
