# What cloud providers tell of a managed cluster, in the spellings of their APIs and client libraries.
package kubekeep.lib.cloud

provider := "eks" if startswith(input.object.apiVersion, "eks.amazonaws.com/")

provider := "gke" if startswith(input.object.apiVersion, "container.googleapis.com/")

provider := "aks" if startswith(input.object.apiVersion, "management.azure.com/")
