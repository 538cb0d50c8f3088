"""Applications of Argo CD and Flux that deploy from the scanned repository. Never renders and never fetches."""
