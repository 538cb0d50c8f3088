"""The API over HTTP: one module a noun. Contains no SQL; functions of the store run in `store.lanes`."""
