//! `crypto.x509.*` and `crypto.parse_private_keys`: certificates and keys as documents.
//!
//! The documents have the members that Go's library gives. What would need a chain of trust or the
//! insides of a private key is refused, never answered by half.

use anyhow::{anyhow, bail, Result};
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use regorus::Value;
use serde_json::{json, Map, Value as Json};
use x509_parser::prelude::*;

use super::keys::{self, PublicKey};
use super::value::{array, from_json, string, Unsupported};
use super::Entry;

pub const ENTRIES: &[Entry] = &[
    ("crypto.x509.parse_certificates", 1, parse_certificates),
    ("crypto.x509.parse_certificate_request", 1, parse_request),
    ("crypto.x509.parse_rsa_private_key", 1, parse_private_key),
    ("crypto.parse_private_keys", 1, parse_private_keys),
    ("crypto.x509.parse_and_verify_certificates", 1, |_| {
        Err(Unsupported("crypto.x509.parse_and_verify_certificates".into()).into())
    }),
    (
        "crypto.x509.parse_and_verify_certificates_with_options",
        2,
        |_| {
            Err(Unsupported("crypto.x509.parse_and_verify_certificates_with_options".into()).into())
        },
    ),
    ("crypto.x509.parse_keypair", 2, |_| {
        Err(Unsupported("crypto.x509.parse_keypair".into()).into())
    }),
];

/// The public key of a certificate.
pub fn public_key(der: &[u8]) -> Result<PublicKey> {
    let (_, certificate) = X509Certificate::from_der(der)?;
    PublicKey::from_der(certificate.public_key().raw)
}

fn base64(text: &str) -> Result<Vec<u8>> {
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STANDARD
        .decode(text)
        .map_err(|error| anyhow!("illegal base64 data: {error}"))
}

/// The DER of all PEM blocks with this label, or of the text itself when it is base64 of DER.
fn der_blocks(text: &str, label: &str) -> Result<Vec<Vec<u8>>> {
    let decoded;
    let text = if text.starts_with("-----BEGIN") {
        text
    } else {
        decoded = base64(text)?;
        match std::str::from_utf8(&decoded) {
            Ok(text) if text.contains("-----BEGIN") => text,
            _ => return Ok(vec![decoded]),
        }
    };
    let (mut rest, mut found) = (text, Vec::new());
    while let Some((block, after)) = keys::pem_block(rest) {
        if block.label != label {
            bail!(
                "PEM block of type {} where {label} was expected",
                block.label
            );
        }
        found.push(block.bytes);
        rest = after;
    }
    Ok(found)
}

fn parse_certificates(arguments: &[Value]) -> Result<Value> {
    let mut found = Vec::new();
    for der in der_blocks(string(arguments, 1)?, "CERTIFICATE")? {
        let mut rest = der.as_slice();
        while !rest.is_empty() {
            let (after, certificate) = X509Certificate::from_der(rest)
                .map_err(|_| anyhow!("x509: malformed certificate"))?;
            let raw = rest.get(..rest.len() - after.len()).unwrap_or_default();
            found.push(from_json(document(raw, &certificate)?));
            rest = after;
        }
    }
    Ok(array(found))
}

fn document(raw: &[u8], certificate: &X509Certificate<'_>) -> Result<Json> {
    let tbs = &certificate.tbs_certificate;
    let names = subject_names(certificate);
    let (constraints, is_ca, path) = match certificate.basic_constraints()? {
        None => (false, false, None),
        Some(found) => (true, found.value.ca, found.value.path_len_constraint),
    };
    let mut document = json!({
        "Raw": STANDARD.encode(raw),
        "RawTBSCertificate": STANDARD.encode(tbs.as_ref()),
        "RawSubjectPublicKeyInfo": STANDARD.encode(tbs.subject_pki.raw),
        "RawSubject": STANDARD.encode(tbs.subject.as_raw()),
        "RawIssuer": STANDARD.encode(tbs.issuer.as_raw()),
        "Signature": STANDARD.encode(&certificate.signature_value.data),
        "Version": tbs.version.0 + 1,
        "Issuer": name(&tbs.issuer)?,
        "Subject": name(&tbs.subject)?,
        "NotBefore": moment(&tbs.validity.not_before)?,
        "NotAfter": moment(&tbs.validity.not_after)?,
        "KeyUsage": certificate.key_usage()?.map_or(0, |usage| usage.value.flags),
        "BasicConstraintsValid": constraints,
        "IsCA": is_ca,
        "MaxPathLen": path.map_or(if constraints { -1 } else { 0 }, i64::from),
        "MaxPathLenZero": path == Some(0),
        "Extensions": tbs.extensions().iter().map(extension).collect::<Result<Vec<_>>>()?,
    });
    let serial = serde_json::from_str(&tbs.serial.to_string())?;
    if let Some(members) = document.as_object_mut() {
        members.insert("SerialNumber".into(), serial);
        members.extend(names);
    }
    Ok(document)
}

fn extension(extension: &X509Extension<'_>) -> Result<Json> {
    Ok(json!({
        "Id": identifier(&extension.oid)?,
        "Critical": extension.critical,
        "Value": STANDARD.encode(extension.value),
    }))
}

fn subject_names(certificate: &X509Certificate<'_>) -> Map<String, Json> {
    let (mut dns, mut mail, mut addresses, mut uris) = (vec![], vec![], vec![], vec![]);
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        for name in &names.value.general_names {
            match name {
                GeneralName::DNSName(text) => dns.push(json!(text)),
                GeneralName::RFC822Name(text) => mail.push(json!(text)),
                GeneralName::URI(text) => uris.push(json!(text)),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes).map(Json::from)),
                _ => {}
            }
        }
    }
    let or_null = |items: Vec<Json>| {
        if items.is_empty() {
            Json::Null
        } else {
            Json::Array(items)
        }
    };
    Map::from_iter([
        ("DNSNames".to_string(), or_null(dns)),
        ("EmailAddresses".to_string(), or_null(mail)),
        ("IPAddresses".to_string(), or_null(addresses)),
        ("URIStrings".to_string(), or_null(uris)),
    ])
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

/// RFC 3339, as Go writes a time of UTC.
fn moment(time: &ASN1Time) -> Result<String> {
    let moment = chrono::DateTime::from_timestamp(time.timestamp(), 0)
        .ok_or_else(|| anyhow!("x509: time out of range"))?;
    Ok(moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

fn identifier(oid: &x509_parser::der_parser::Oid<'_>) -> Result<Vec<u64>> {
    Ok(oid
        .iter()
        .ok_or_else(|| anyhow!("x509: malformed identifier"))?
        .collect())
}

/// Attributes of a distinguished name that Go gives a member of its own.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("2.5.4.6", "Country"),
    ("2.5.4.10", "Organization"),
    ("2.5.4.11", "OrganizationalUnit"),
    ("2.5.4.7", "Locality"),
    ("2.5.4.8", "Province"),
    ("2.5.4.9", "StreetAddress"),
    ("2.5.4.17", "PostalCode"),
];

fn name(name: &X509Name<'_>) -> Result<Json> {
    let mut document = Map::new();
    for (_, member) in ATTRIBUTES {
        document.insert((*member).into(), Json::Null);
    }
    for member in ["CommonName", "SerialNumber"] {
        document.insert(member.into(), "".into());
    }
    document.insert("ExtraNames".into(), Json::Null);
    let mut all = Vec::new();
    for attribute in name.iter_attributes() {
        let value = attribute
            .as_str()
            .map_err(|_| anyhow!("x509: malformed name"))?;
        let oid = attribute.attr_type().to_id_string();
        all.push(json!({"Type": identifier(attribute.attr_type())?, "Value": value}));
        match oid.as_str() {
            "2.5.4.3" => drop(document.insert("CommonName".into(), value.into())),
            "2.5.4.5" => drop(document.insert("SerialNumber".into(), value.into())),
            other => {
                if let Some((_, member)) = ATTRIBUTES.iter().find(|(id, _)| *id == other) {
                    match document.get_mut(*member) {
                        Some(Json::Array(values)) => values.push(value.into()),
                        _ => drop(document.insert((*member).into(), json!([value]))),
                    }
                }
            }
        }
    }
    document.insert(
        "Names".into(),
        if all.is_empty() {
            Json::Null
        } else {
            Json::Array(all)
        },
    );
    Ok(Json::Object(document))
}

fn parse_request(arguments: &[Value]) -> Result<Value> {
    let blocks = der_blocks(string(arguments, 1)?, "CERTIFICATE REQUEST")?;
    let der = blocks.first().map(Vec::as_slice).unwrap_or_default();
    let (_, request) = X509CertificationRequest::from_der(der)
        .map_err(|_| anyhow!("asn1: structure error: not a certificate request"))?;
    let info = &request.certification_request_info;
    Ok(from_json(json!({
        "Raw": STANDARD.encode(der),
        "RawTBSCertificateRequest": STANDARD.encode(info.raw),
        "RawSubjectPublicKeyInfo": STANDARD.encode(info.subject_pki.raw),
        "RawSubject": STANDARD.encode(info.subject.as_raw()),
        "Version": info.version.0,
        "Signature": STANDARD.encode(&request.signature_value.data),
        "Subject": name(&info.subject)?,
    })))
}

fn private_blocks(text: &str) -> Vec<keys::Block> {
    let (mut rest, mut found) = (text, Vec::new());
    while let Some((block, after)) = keys::pem_block(rest) {
        if matches!(
            block.label.as_str(),
            "RSA PRIVATE KEY" | "PRIVATE KEY" | "EC PRIVATE KEY"
        ) {
            found.push(block);
        }
        rest = after;
    }
    found
}

fn parse_private_key(arguments: &[Value]) -> Result<Value> {
    let text = string(arguments, 1)?;
    if text.is_empty() {
        bail!("input PEM data was empty");
    }
    let text = if text.starts_with("-----BEGIN") {
        text.to_string()
    } else {
        String::from_utf8(base64(text)?)?
    };
    match private_blocks(&text).first() {
        None => Ok(Value::Null),
        Some(block) => Ok(from_json(keys::private_jwk(&block.bytes)?)),
    }
}

fn parse_private_keys(arguments: &[Value]) -> Result<Value> {
    match string(arguments, 1)? {
        "" => Ok(Value::Null),
        text if private_blocks(text).is_empty() => Ok(Value::new_array()),
        _ => Err(Unsupported("crypto.parse_private_keys of a key".into()).into()),
    }
}
