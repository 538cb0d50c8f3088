//! `uri.parse` and `uri.is_valid`: RFC 3986, as strict as Go's package net/url.

use anyhow::{bail, Result};
use regorus::Value;
use serde_json::{Map, Value as Json};

use super::value::{argument, string, Entry};

pub const ENTRIES: &[Entry] = &[("uri.parse", 1, parse), ("uri.is_valid", 1, is_valid)];

/// Characters that need no escape in a path, besides letters and digits.
const PATH_UNESCAPED: &str = "-_.~$&+,/:;=@";

fn is_valid(arguments: &[Value]) -> Result<Value> {
    let valid = match argument(arguments, 1)? {
        Value::String(text) => !text.is_empty() && read(text).is_ok(),
        _ => false,
    };
    Ok(Value::from(valid))
}

fn parse(arguments: &[Value]) -> Result<Value> {
    let text = string(arguments, 1)?;
    match read(text) {
        Ok(members) => Ok(Value::from(Json::Object(members))),
        Err(error) => bail!("parse {text:?}: {error}"),
    }
}

fn read(text: &str) -> Result<Map<String, Json>> {
    if text.chars().any(|c| c < ' ' || c == '\u{7f}') {
        bail!("net/url: invalid control character in URL");
    }
    let mut members = Map::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            members.insert(name.into(), value.into());
        }
    };
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    add("fragment", &unescape(fragment)?);
    let (scheme, rest) = split_scheme(rest)?;
    add("scheme", &scheme.to_ascii_lowercase());
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    add("raw_query", query);
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(members); // opaque, such as mailto:
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            bail!("first path segment in URL cannot contain colon");
        }
    }
    let path = match rest.strip_prefix("//") {
        Some(rest) if !scheme.is_empty() || !rest.starts_with('/') => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let (host, port) = split_authority(authority)?;
            add("hostname", &host);
            add("port", &port);
            path
        }
        _ => rest,
    };
    let plain = unescape(path)?;
    add("path", &plain);
    add("raw_path", raw_path(path, &plain));
    Ok(members)
}

/// Return the input if escaping the plain path would give another text, else the plain path.
fn raw_path<'a>(path: &'a str, plain: &'a str) -> &'a str {
    let mut escaped = String::new();
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || PATH_UNESCAPED.contains(char::from(byte)) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    if escaped == path {
        plain
    } else {
        path
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str)> {
    for (index, character) in text.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if index > 0 => {}
            ':' if index == 0 => bail!("missing protocol scheme"),
            ':' => {
                return Ok((
                    text.get(..index).unwrap_or(""),
                    text.get(index + 1..).unwrap_or(""),
                ))
            }
            _ => break,
        }
    }
    Ok(("", text))
}

fn split_authority(authority: &str) -> Result<(String, String)> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (user, host),
        None => ("", authority),
    };
    if !user
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c))
    {
        bail!("net/url: invalid userinfo");
    }
    unescape(user)?;
    let (name, port) = if host.starts_with('[') {
        let Some((name, port)) = host.rsplit_once(']') else {
            bail!("missing ']' in host");
        };
        (name.trim_start_matches('['), port)
    } else {
        match host.rfind(':') {
            Some(colon) => host.split_at(colon),
            None => (host, ""),
        }
    };
    let digits = port.strip_prefix(':');
    if !port.is_empty() && !digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    {
        bail!("invalid port {port:?} after host");
    }
    Ok((unescape_host(name)?, digits.unwrap_or("").into()))
}

fn unescape_host(name: &str) -> Result<String> {
    let plain = unescape(name)?;
    for (index, _) in name.match_indices('%') {
        let escape = name.get(index..index + 3).unwrap_or("");
        // In a host only bytes outside ASCII may be escaped, and % itself before a zone.
        if escape != "%25" && escape.as_bytes().get(1).is_some_and(|digit| *digit < b'8') {
            bail!("invalid URL escape {escape:?}");
        }
    }
    match name.chars().find(|c| {
        c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.~!$&'()*+,;=:[]<>\"%".contains(*c)
    }) {
        Some(bad) => bail!("invalid character {:?} in host name", bad.to_string()),
        None => Ok(plain),
    }
}

fn unescape(text: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(index) = rest.find('%') {
        bytes.extend_from_slice(rest.get(..index).unwrap_or("").as_bytes());
        let escape: String = rest
            .chars()
            .skip(rest.get(..index).map_or(0, |p| p.chars().count()))
            .take(3)
            .collect();
        match escape
            .get(1..)
            .filter(|digits| digits.len() == 2)
            .map(|digits| u8::from_str_radix(digits, 16))
        {
            Some(Ok(byte)) => bytes.push(byte),
            _ => bail!("invalid URL escape {escape:?}"),
        }
        rest = rest.get(index + 3..).unwrap_or("");
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
