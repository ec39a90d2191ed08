"""The Job of a CommitStatus. Pure."""
