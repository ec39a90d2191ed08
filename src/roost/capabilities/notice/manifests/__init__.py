"""One builder per manifest. Pure."""
