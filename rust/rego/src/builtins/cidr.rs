//! `net.cidr_*`: containment, intersection and merging of networks.

use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{anyhow, bail, Result};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use regorus::Value;

use super::value::{argument, array, mismatch, string, Entry};

pub const ENTRIES: &[Entry] = &[
    ("net.cidr_contains", 2, contains),
    ("net.cidr_overlap", 2, contains),
    ("net.cidr_intersects", 2, intersects),
    ("net.cidr_contains_matches", 2, contains_matches),
    ("net.cidr_merge", 1, merge),
];

/// Parse a network. Go and Rust refuse leading zeros; both read `::ffff:1.2.3.4` as IPv6, but Go then treats it as IPv4.
fn network(text: &str) -> Result<IpNet> {
    let net = IpNet::from_str(text).map_err(|_| anyhow!("invalid CIDR address: {text}"))?;
    Ok(net.trunc())
}

fn network_or_address(text: &str) -> Result<IpNet> {
    match IpAddr::from_str(text) {
        Ok(address) => Ok(IpNet::from(address.to_canonical())),
        Err(_) => network(text),
    }
}

fn network_contains(outer: &str, inner: &str) -> Result<bool> {
    let (outer, inner) = (network(outer)?, network_or_address(inner)?);
    Ok(outer.contains(&inner))
}

fn contains(arguments: &[Value]) -> Result<Value> {
    Ok(Value::from(network_contains(
        string(arguments, 1)?,
        string(arguments, 2)?,
    )?))
}

fn intersects(arguments: &[Value]) -> Result<Value> {
    let (left, right) = (
        network(string(arguments, 1)?)?,
        network(string(arguments, 2)?)?,
    );
    Ok(Value::from(left.contains(&right) || right.contains(&left)))
}

/// Return the networks of an argument, each with its name in the result: itself, its index or its key.
fn named_networks(arguments: &[Value], position: usize) -> Result<Vec<(String, Value)>> {
    match argument(arguments, position)? {
        single @ Value::String(text) => Ok(vec![(text.to_string(), single.clone())]),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, element)| Ok((network_text(element, position)?, Value::from(index))))
            .collect(),
        Value::Set(items) => items
            .iter_sorted()
            .map(|element| Ok((network_text(element, position)?, element.clone())))
            .collect(),
        Value::Object(items) => items
            .iter_sorted()
            .map(|(key, element)| Ok((network_text(element, position)?, key.clone())))
            .collect(),
        other => Err(mismatch(
            position,
            "one of {string, array, set, object}",
            other,
        )),
    }
}

fn network_text(element: &Value, position: usize) -> Result<String> {
    let text = match element {
        Value::Array(items) => items.first(),
        other => Some(other),
    };
    match text {
        Some(Value::String(text)) => Ok(text.to_string()),
        _ => bail!("operand {position}: element must be string or non-empty array"),
    }
}

fn contains_matches(arguments: &[Value]) -> Result<Value> {
    let (outer, inner) = (named_networks(arguments, 1)?, named_networks(arguments, 2)?);
    let mut matches = Value::new_set();
    for (net, net_name) in &outer {
        for (candidate, name) in &inner {
            if network_contains(net, candidate)? {
                matches
                    .as_set_mut()?
                    .insert(array(vec![net_name.clone(), name.clone()]));
            }
        }
    }
    Ok(matches)
}

fn merge(arguments: &[Value]) -> Result<Value> {
    let items: Vec<&Value> = match argument(arguments, 1)? {
        Value::Array(items) => items.iter().collect(),
        Value::Set(items) => items.iter_sorted().collect(),
        other => return Err(mismatch(1, "one of {set, array}", other)),
    };
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for element in items {
        let Value::String(text) = element else {
            bail!("element must be string");
        };
        match parse_mergeable(text)? {
            IpNet::V4(net) => small.push(net),
            IpNet::V6(net) => large.push(net),
        }
    }
    let mut merged = Value::new_set();
    for net in Ipv4Net::aggregate(&small) {
        merged.as_set_mut()?.insert(Value::from(net.to_string()));
    }
    for net in Ipv6Net::aggregate(&large) {
        merged.as_set_mut()?.insert(Value::from(net.to_string()));
    }
    Ok(merged)
}

/// Parse a network to merge. An IPv4 address without a prefix gets the prefix of its class, as in Go.
fn parse_mergeable(text: &str) -> Result<IpNet> {
    match IpAddr::from_str(text).map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let length = match address.octets()[0] {
                0..=127 => 8,
                128..=191 => 16,
                192..=223 => 24,
                _ => bail!("IPv4 invalid: no default mask for {text}"),
            };
            Ok(IpNet::V4(Ipv4Net::new(address, length)?.trunc()))
        }
        Ok(IpAddr::V6(_)) => bail!("IPv6 invalid: needs prefix length"),
        Err(_) => network(text),
    }
}
