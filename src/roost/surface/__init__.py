"""What routes and commands share."""
