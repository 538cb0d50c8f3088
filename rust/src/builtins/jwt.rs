//! `io.jwt.*`: JSON Web Tokens (RFC 7515, 7519) decoded, verified and signed.

use anyhow::{anyhow, bail, Context as _, Result};
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine as _;
use regorus::Value;
use serde_json::Value as Json;

use super::hashes::hex;
use super::keys::{self, PublicKey};
use super::value::{argument, array, mismatch, string, to_json};
use super::{x509, Entry};

pub const ENTRIES: &[Entry] = &[
    ("io.jwt.decode", 1, decode),
    ("io.jwt.decode_verify", 2, decode_verify),
    ("io.jwt.verify_hs256", 2, |a| verify_secret(a, "HS256")),
    ("io.jwt.verify_hs384", 2, |a| verify_secret(a, "HS384")),
    ("io.jwt.verify_hs512", 2, |a| verify_secret(a, "HS512")),
    ("io.jwt.verify_rs256", 2, |a| verify(a, "RS256")),
    ("io.jwt.verify_rs384", 2, |a| verify(a, "RS384")),
    ("io.jwt.verify_rs512", 2, |a| verify(a, "RS512")),
    ("io.jwt.verify_ps256", 2, |a| verify(a, "PS256")),
    ("io.jwt.verify_ps384", 2, |a| verify(a, "PS384")),
    ("io.jwt.verify_ps512", 2, |a| verify(a, "PS512")),
    ("io.jwt.verify_es256", 2, |a| verify(a, "ES256")),
    ("io.jwt.verify_es384", 2, |a| verify(a, "ES384")),
    ("io.jwt.verify_es512", 2, |a| verify(a, "ES512")),
    ("io.jwt.verify_eddsa", 2, |a| verify(a, "EdDSA")),
    ("io.jwt.encode_sign", 3, encode_sign),
    ("io.jwt.encode_sign_raw", 3, encode_sign_raw),
];

const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256",
    "HS384", "HS512", "EdDSA",
];

/// Nested tokens that are unpacked; a token cannot hold itself, but it can be long.
const MOST_NESTED: usize = 32;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

struct Token {
    signed: String,
    header: Value,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn sections(text: &str) -> Result<[&str; 3]> {
    if !text.contains('.') {
        bail!("encoded JWT had no period separators");
    }
    let parts: Vec<&str> = text.split('.').collect();
    parts.try_into().map_err(|parts: Vec<&str>| {
        anyhow!("encoded JWT must have 3 sections, found {}", parts.len())
    })
}

impl Token {
    fn parse(text: &str) -> Result<Self> {
        let [header, payload, signature] = sections(text)?;
        let decoded = BASE64
            .decode(header)
            .context("JWT header had invalid encoding")?;
        let decoded = object(&decoded).context("bad JWT header")?;
        if member(&decoded, "enc").is_some() {
            bail!("JWT is a JWE object, which is not supported");
        }
        Ok(Self {
            signed: format!("{header}.{payload}"),
            header: decoded,
            payload: BASE64
                .decode(payload)
                .context("JWT payload had invalid encoding")?,
            signature: BASE64
                .decode(signature)
                .context("JWT signature had invalid encoding")?,
        })
    }

    /// A text of the header: absent is empty, anything but text is an error.
    fn text(&self, name: &str) -> Result<&str> {
        match member(&self.header, name) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => bail!("{name}: must be a string"),
        }
    }

    /// RFC 7515, 4.1.1 and 4.1.11: there is an algorithm and no critical member that is unknown.
    fn is_valid(&self) -> Result<bool> {
        let known = ["alg", "kid", "typ", "cty", "crit"];
        for name in ["alg", "kid", "typ", "cty"] {
            self.text(name)?;
        }
        let critical = match member(&self.header, "crit") {
            None => return Ok(!self.text("alg")?.is_empty()),
            Some(Value::Array(names)) if !names.is_empty() => names,
            Some(Value::Array(_)) => bail!("crit: must be a nonempty list"),
            Some(_) => bail!("crit: must be a list"),
        };
        let unknown = critical.iter().any(|name| {
            !known.iter().any(|known| *name == Value::from(*known))
                && self
                    .header
                    .as_object()
                    .is_ok_and(|header| header.contains_key(name))
        });
        Ok(!unknown && !self.text("alg")?.is_empty())
    }

    /// By the key with the token's identifier, else by any key that may be of the algorithm.
    fn verified_by(&self, keys: &[Named], algorithm: &str) -> Result<bool> {
        let identifier = self.text("kid")?;
        let declared = self.text("alg")?;
        let message = self.signed.as_bytes();
        if !identifier.is_empty() {
            if let Some(named) = keys.iter().find(|named| named.identifier == identifier) {
                return Ok(named.key.verifies(algorithm, message, &self.signature));
            }
        }
        Ok(keys
            .iter()
            .filter(|named| named.algorithm.is_empty() || named.algorithm == declared)
            .any(|named| named.key.verifies(algorithm, message, &self.signature)))
    }
}

struct Named {
    identifier: String,
    algorithm: String,
    key: PublicKey,
}

/// The keys of a certificate, a public key in PEM, a JWK or a set of them.
fn parse_keys(text: &str) -> Result<Vec<Named>> {
    if let Some((block, rest)) = keys::pem_block(text) {
        if !rest.is_empty() {
            bail!("extra data after a PEM certificate block");
        }
        let key = match block.label.as_str() {
            "CERTIFICATE" => {
                x509::public_key(&block.bytes).context("failed to parse a PEM certificate")?
            }
            "PUBLIC KEY" => {
                PublicKey::from_der(&block.bytes).context("failed to parse a PEM public key")?
            }
            _ => bail!("failed to extract a Key from the PEM certificate"),
        };
        return Ok(vec![Named {
            identifier: String::new(),
            algorithm: String::new(),
            key,
        }]);
    }
    let document: Json = serde_json::from_str(text).context("failed to parse a JWK key (set)")?;
    let mut found = Vec::new();
    for jwk in key_set(&document) {
        let word = |name: &str| {
            jwk.get(name)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_string()
        };
        let algorithm = word("alg");
        let key = PublicKey::from_jwk(jwk).context("failed to parse a JWK key (set)")?;
        if algorithm.is_empty() || ALGORITHMS.contains(&algorithm.as_str()) {
            found.push(Named {
                identifier: word("kid"),
                algorithm,
                key,
            });
        }
    }
    Ok(found)
}

fn key_set(document: &Json) -> Vec<&Json> {
    match document.get("keys").and_then(Json::as_array) {
        Some(keys) => keys.iter().collect(),
        None => vec![document],
    }
}

fn object(bytes: &[u8]) -> Result<Value> {
    let value = Value::from_json_str(std::str::from_utf8(bytes)?).context("invalid JSON")?;
    match value {
        Value::Object(_) => Ok(value),
        _ => bail!("decoded JSON type was not an Object"),
    }
}

fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object().ok()?.get(&Value::from(name))
}

fn decode(arguments: &[Value]) -> Result<Value> {
    let mut text = string(arguments, 1)?.to_string();
    for _ in 0..MOST_NESTED {
        let token = Token::parse(&text)?;
        if token.text("cty")? != "JWT" {
            let payload = object(&token.payload)?;
            return Ok(array(vec![
                token.header,
                payload,
                Value::from(hex(&token.signature)),
            ]));
        }
        text = std::str::from_utf8(&token.payload)?
            .trim_matches(['"', '\''])
            .to_string();
    }
    bail!("too many nested tokens")
}

fn verify(arguments: &[Value], algorithm: &str) -> Result<Value> {
    let text = string(arguments, 1)?;
    sections(text)?;
    let keys = parse_keys(string(arguments, 2)?)?;
    let token = Token::parse(text)?;
    token.is_valid()?;
    Ok(Value::from(token.verified_by(&keys, algorithm)?))
}

fn verify_secret(arguments: &[Value], algorithm: &str) -> Result<Value> {
    let [header, payload, signature] = sections(string(arguments, 1)?)?;
    let key = PublicKey::Secret(string(arguments, 2)?.as_bytes().to_vec());
    let signature = BASE64.decode(signature)?;
    let message = format!("{header}.{payload}");
    Ok(Value::from(key.verifies(
        algorithm,
        message.as_bytes(),
        &signature,
    )))
}

#[derive(Default)]
struct Constraints {
    keys: Option<Vec<Named>>,
    secret: String,
    algorithm: String,
    issuer: String,
    audience: String,
    nanoseconds: Option<f64>,
}

impl Constraints {
    fn parse(value: &Value) -> Result<Self> {
        let Value::Object(members) = value else {
            return Err(mismatch(2, "object", value));
        };
        let mut found = Self::default();
        for (name, value) in members.iter_sorted() {
            let name = name.as_string()?.as_ref();
            let text = || match value {
                Value::String(text) => Ok(text.to_string()),
                _ => Err(anyhow!("{name} constraint: must be a string")),
            };
            match name {
                "cert" => found.keys = Some(parse_keys(&text()?)?),
                "secret" => found.secret = text()?,
                "alg" => found.algorithm = text()?,
                "iss" => found.issuer = text()?,
                "aud" => found.audience = text()?,
                "time" => match number(value) {
                    Some(time) if time < 0.0 => {
                        bail!("token time constraint: must not be negative")
                    }
                    Some(time) => found.nanoseconds = Some(time),
                    None => bail!("token time constraint: must be a number"),
                },
                _ => bail!("unknown token validation constraint: {name}"),
            }
        }
        match (&found.keys, found.secret.is_empty()) {
            (Some(_), false) => bail!("duplicate key constraints"),
            (None, true) => bail!("no key constraint"),
            _ => Ok(found),
        }
    }

    fn signed(&self, token: &Token) -> Result<bool> {
        let algorithm = token.text("alg")?;
        match &self.keys {
            Some(keys) => token.verified_by(keys, algorithm),
            None => Ok(PublicKey::Secret(self.secret.as_bytes().to_vec()).verifies(
                algorithm,
                token.signed.as_bytes(),
                &token.signature,
            )),
        }
    }

    /// RFC 7519, 4.1: issuer, audience, expiry and start.
    fn allow(&self, payload: &Value) -> Result<bool> {
        if !self.issuer.is_empty()
            && member(payload, "iss") != Some(&Value::from(self.issuer.as_str()))
        {
            return Ok(false);
        }
        let audience = Value::from(self.audience.as_str());
        let welcome = match member(payload, "aud") {
            None => self.audience.is_empty(),
            Some(Value::Array(names)) => names.contains(&audience),
            Some(name) => *name == audience,
        };
        if !welcome {
            return Ok(false);
        }
        let now = match self.nanoseconds {
            Some(time) => time,
            None => {
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)?
                    .as_secs_f64()
                    * 1e9
            }
        };
        let now = Value::from(now / 1e9);
        let moment = |name: &str| match member(payload, name) {
            Some(Value::Number(_)) | None => Ok(member(payload, name)),
            Some(_) => Err(anyhow!("{name} value must be a number")),
        };
        let expired = moment("exp")?.is_some_and(|end| now >= *end);
        Ok(!expired && moment("nbf")?.is_none_or(|start| now >= *start))
    }
}

/// The nearest double of a number of any size.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(_) => value.to_string().parse().ok(),
        _ => None,
    }
}

fn decode_verify(arguments: &[Value]) -> Result<Value> {
    let refused = || {
        array(vec![
            Value::from(false),
            Value::new_object(),
            Value::new_object(),
        ])
    };
    let mut text = string(arguments, 1)?.to_string();
    let constraints = Constraints::parse(argument(arguments, 2)?)?;
    for _ in 0..MOST_NESTED {
        let token = Token::parse(&text)?;
        if !token.is_valid()? {
            return Ok(refused());
        }
        let expected = &constraints.algorithm;
        if !expected.is_empty() && *expected != token.text("alg")? {
            return Ok(refused());
        }
        if !constraints.signed(&token)? {
            return Ok(refused());
        }
        if token.text("cty")?.eq_ignore_ascii_case("JWT") {
            text = String::from_utf8(token.payload)?;
            continue;
        }
        let payload = object(&token.payload)?;
        if !constraints.allow(&payload)? {
            return Ok(refused());
        }
        return Ok(array(vec![Value::from(true), token.header, payload]));
    }
    bail!("too many nested tokens")
}

fn encode_sign(arguments: &[Value]) -> Result<Value> {
    let part = |position| -> Result<Json> { to_json(argument(arguments, position)?) };
    let (header, payload, key) = (part(1)?, part(2)?, part(3)?);
    signed(&go_json(&header)?, &go_json(&payload)?, &key)
}

/// JSON as Go writes it, with the characters escaped that HTML gives a meaning.
fn go_json(value: &Json) -> Result<String> {
    Ok(serde_json::to_string(value)?
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029"))
}

fn encode_sign_raw(arguments: &[Value]) -> Result<Value> {
    let key = serde_json::from_str(string(arguments, 3)?)?;
    signed(string(arguments, 1)?, string(arguments, 2)?, &key)
}

fn signed(header: &str, payload: &str, key: &Json) -> Result<Value> {
    let keys = key_set(key);
    let key = keys.first().context("no keys found in JWK set")?;
    let parsed: Json = serde_json::from_str(header)
        .context("missing or invalid 'alg' header: cannot parse JSON")?;
    let algorithm = parsed
        .get("alg")
        .and_then(Json::as_str)
        .context("missing or invalid 'alg' header: header \"alg\" not found")?;
    if !ALGORITHMS.contains(&algorithm) {
        bail!("unknown JWS algorithm: {algorithm}");
    }
    let is_token = parsed
        .get("typ")
        .and_then(Json::as_str)
        .is_none_or(|kind| kind == "JWT");
    if is_token && serde_json::from_str::<serde::de::IgnoredAny>(payload).is_err() {
        bail!("type is JWT but payload is not JSON");
    }
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    let signature = keys::sign(key, algorithm, message.as_bytes())?;
    Ok(Value::from(format!(
        "{message}.{}",
        BASE64.encode(signature)
    )))
}
