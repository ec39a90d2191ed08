"""Roost: an enterprise, multi-tenant, cloud-native PaaS on Kubernetes."""
