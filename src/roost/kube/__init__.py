"""The only code that talks to the Kubernetes API: read, apply, watch, typed errors.

reader.Reader     protocol of the reads that observe functions may do
client.Client     reads and writes as one identity (the platform, a namespace's deployer, a person)
errors            what can go wrong, as one tree
"""
