"""The API: FastAPI factory, authentication, the generic routes of every kind, logs, git and registry tokens.

`app.create_app` is called by `roost.mains.api` and by tests.
"""
