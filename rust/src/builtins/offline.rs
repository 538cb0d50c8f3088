//! Built-ins that would reach out of the process, or into the engine itself: refused, whoever asks
//! and however. What is an error for OPA too is that error.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Result;
use regorus::Value;

use super::value::{argument, mismatch, string, type_error, Unsupported};
use super::Entry;

pub const ENTRIES: &[Entry] = &[
    ("http.send", 1, http_send),
    ("net.lookup_ip_addr", 1, lookup),
    ("rego.parse_module", 2, |_| {
        Err(Unsupported("rego.parse_module".into()).into())
    }),
];

/// What a request may say.
const REQUEST: &[&str] = &[
    "method",
    "url",
    "body",
    "enable_redirect",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "raw_body",
    "tls_use_system_certs",
    "tls_ca_cert",
    "tls_ca_cert_file",
    "tls_ca_cert_env_variable",
    "tls_client_cert",
    "tls_client_cert_file",
    "tls_client_cert_env_variable",
    "tls_client_key",
    "tls_client_key_file",
    "tls_client_key_env_variable",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "timeout",
    "cache",
    "force_cache",
    "force_cache_duration_seconds",
    "raise_error",
    "caching_mode",
    "max_retry_attempts",
    "cache_ignored_headers",
];

/// Names as a set in Rego.
fn keys_shown(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("{{{}}}", quoted.join(", "))
}

/// A request as `http.send` takes it: nothing unknown, and what it needs.
fn check_request(request: &Value, position: usize) -> Result<()> {
    let Value::Object(members) = request else {
        return Err(mismatch(position, "object", request));
    };
    let unknown: Vec<String> = members
        .iter_sorted()
        .map(|(name, _)| match name {
            Value::String(name) => name.to_string(),
            other => other.to_string(),
        })
        .filter(|name| !REQUEST.contains(&name.as_str()))
        .collect();
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        return Err(type_error(format!(
            "operand {position} invalid request parameters(s): {}",
            keys_shown(&names)
        )));
    }
    let missing: Vec<&str> = ["method", "url"]
        .into_iter()
        .filter(|name| members.get(&Value::from(*name)).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(type_error(format!(
            "operand {position} missing required request parameters(s): {}",
            keys_shown(&missing)
        )));
    }
    Ok(())
}

fn http_send(arguments: &[Value]) -> Result<Value> {
    check_request(argument(arguments, 1)?, 1)?;
    Err(Unsupported("http.send: rules never reach the network".into()).into())
}

/// An address is its own; a name would have to be asked for.
fn lookup(arguments: &[Value]) -> Result<Value> {
    let name = string(arguments, 1)?;
    match name.parse::<IpAddr>() {
        Ok(address) if address.to_canonical() == address => {
            Ok(Value::from(BTreeSet::from([Value::from(
                address.to_string(),
            )])))
        }
        _ => Err(Unsupported("net.lookup_ip_addr: rules never reach the network".into()).into()),
    }
}
