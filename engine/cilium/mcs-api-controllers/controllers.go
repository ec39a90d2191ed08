// Package controllers stands in for sigs.k8s.io/mcs-api/controllers, which the Go module proxy does not serve. Cilium's
// operator uses nothing of it but the name of one annotation, for services that span clusters.
package controllers

// DerivedServiceAnnotation names, on a ServiceImport, the Service that stands for it in this cluster.
const DerivedServiceAnnotation = "multicluster.kubernetes.io/derived-service"
