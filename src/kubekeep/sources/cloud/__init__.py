"""What clouds tell of their managed clusters, through their own SDKs. Reads only; asks nobody unless told to."""
