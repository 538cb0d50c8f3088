# Descriptions of managed clusters, in the spellings of cloud APIs and client libraries.
package kubekeep.lib.cloud

provider := "eks" if startswith(input.object.apiVersion, "eks.amazonaws.com/")

provider := "gke" if startswith(input.object.apiVersion, "container.googleapis.com/")

provider := "aks" if startswith(input.object.apiVersion, "management.azure.com/")
