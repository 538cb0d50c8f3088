//! Built-ins that would reach out of the process: refused, whoever asks and however.

use anyhow::Result;
use regorus::Value;

use super::value::Unsupported;
use super::Entry;

pub const ENTRIES: &[Entry] = &[
    ("http.send", 1, http_send),
    ("net.lookup_ip_addr", 1, lookup),
];

fn http_send(_: &[Value]) -> Result<Value> {
    Err(Unsupported("http.send: rules never reach the network".into()).into())
}

fn lookup(_: &[Value]) -> Result<Value> {
    Err(Unsupported("net.lookup_ip_addr: rules never reach the network".into()).into())
}
