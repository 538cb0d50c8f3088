//! `crypto.md5`, `crypto.sha*` and `crypto.hmac.*`: digests of strings as hexadecimal text.

use anyhow::Result;
use hmac::{Hmac, Mac};
use md5::Md5;
use regorus::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::value::{string, Entry};

pub const ENTRIES: &[Entry] = &[
    ("crypto.md5", 1, digest::<Md5>),
    ("crypto.sha1", 1, digest::<Sha1>),
    ("crypto.sha256", 1, digest::<Sha256>),
    ("crypto.hmac.md5", 2, |a| keyed_digest::<Hmac<Md5>>(a)),
    ("crypto.hmac.sha1", 2, |a| keyed_digest::<Hmac<Sha1>>(a)),
    ("crypto.hmac.sha256", 2, |a| keyed_digest::<Hmac<Sha256>>(a)),
    ("crypto.hmac.sha512", 2, |a| keyed_digest::<Hmac<Sha512>>(a)),
    ("crypto.hmac.equal", 2, equal),
];

/// Encode bytes as lower-case hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest<D: Digest>(arguments: &[Value]) -> Result<Value> {
    Ok(Value::from(hex(&D::digest(
        string(arguments, 1)?.as_bytes(),
    ))))
}

fn keyed_digest<M: Mac + hmac::digest::KeyInit>(arguments: &[Value]) -> Result<Value> {
    let mut mac = <M as Mac>::new_from_slice(string(arguments, 2)?.as_bytes())?;
    mac.update(string(arguments, 1)?.as_bytes());
    Ok(Value::from(hex(&mac.finalize().into_bytes())))
}

/// Compare every byte, so that the time does not depend on the position of a difference.
fn equal(arguments: &[Value]) -> Result<Value> {
    let (left, right) = (
        string(arguments, 1)?.as_bytes(),
        string(arguments, 2)?.as_bytes(),
    );
    let difference = left
        .iter()
        .zip(right)
        .fold(left.len() ^ right.len(), |difference, (a, b)| {
            difference | usize::from(a ^ b)
        });
    Ok(Value::from(difference == 0))
}
