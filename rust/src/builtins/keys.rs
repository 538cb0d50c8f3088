//! Public and private keys out of PEM, DER and JWK, and signatures made and checked with them.

use anyhow::{anyhow, bail, Context as _, Result};
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::Engine as _;
use ed25519_dalek::{Signer as _, Verifier as _};
use hmac::{Hmac, Mac as _};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, DecodeRsaPublicKey as _};
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// One block of a PEM text.
pub struct Block {
    pub label: String,
    pub bytes: Vec<u8>,
}

/// The first PEM block of a text and what follows it, or None when there is none.
pub fn pem_block(text: &str) -> Option<(Block, &str)> {
    let start = text.find("-----BEGIN ")?;
    let after = text.get(start + 11..)?;
    let (label, after) = after.split_once("-----")?;
    let (body, after) = after.split_once(&format!("-----END {label}-----"))?;
    // Headers of old keys (`Proc-Type: ...`) end at an empty line.
    let body = body
        .split_once("\n\n")
        .filter(|(head, _)| head.contains(':'))
        .map_or(body, |(_, body)| body);
    let bytes = STANDARD
        .decode(body.split_whitespace().collect::<String>())
        .ok()?;
    let rest = after
        .strip_prefix("\r\n")
        .or_else(|| after.strip_prefix('\n'))
        .unwrap_or(after);
    Some((
        Block {
            label: label.into(),
            bytes,
        },
        rest,
    ))
}

pub enum PublicKey {
    Rsa(RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
    Secret(Vec<u8>),
}

impl PublicKey {
    /// A key in the form of a certificate's SubjectPublicKeyInfo.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        if let Ok(key) = RsaPublicKey::from_public_key_der(der) {
            return Ok(Self::Rsa(key));
        }
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(der) {
            return Ok(Self::P256(key));
        }
        if let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_der(der) {
            return Ok(Self::P384(key));
        }
        if let Ok(key) = p521::PublicKey::from_public_key_der(der) {
            return Ok(Self::P521(p521::ecdsa::VerifyingKey::from_affine(
                *key.as_affine(),
            )?));
        }
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_der(der) {
            return Ok(Self::Ed25519(key));
        }
        RsaPublicKey::from_pkcs1_der(der)
            .map(Self::Rsa)
            .map_err(|_| anyhow!("unsupported public key"))
    }

    /// A JSON Web Key (RFC 7517).
    pub fn from_jwk(jwk: &Json) -> Result<Self> {
        match member(jwk, "kty")? {
            "RSA" => {
                let key =
                    RsaPublicKey::new_with_max_size(number(jwk, "n")?, number(jwk, "e")?, 16384)?;
                Ok(Self::Rsa(key))
            }
            "EC" => Self::from_point(member(jwk, "crv")?, &point(jwk)?),
            "OKP" => {
                let bytes: [u8; 32] = octets(jwk, "x")?
                    .try_into()
                    .map_err(|_| anyhow!("bad length of x"))?;
                Ok(Self::Ed25519(ed25519_dalek::VerifyingKey::from_bytes(
                    &bytes,
                )?))
            }
            "oct" => Ok(Self::Secret(octets(jwk, "k")?)),
            other => bail!("unknown key type {other}"),
        }
    }

    fn from_point(curve: &str, sec1: &[u8]) -> Result<Self> {
        Ok(match curve {
            "P-256" => Self::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(sec1)?),
            "P-384" => Self::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(sec1)?),
            "P-521" => Self::P521(p521::ecdsa::VerifyingKey::from_sec1_bytes(sec1)?),
            other => bail!("unknown curve {other}"),
        })
    }

    /// Whether `signature` is one of `message` by this key; false when the key is of another kind.
    pub fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let Some((family, digest)) = digest(algorithm, message) else {
            return algorithm == "EdDSA" && self.verifies_eddsa(message, signature);
        };
        match (self, family) {
            (Self::Rsa(key), "RS") => pkcs1(algorithm)
                .is_some_and(|scheme| key.verify(scheme, &digest, signature).is_ok()),
            (Self::Rsa(key), "PS") => verifies_pss(key, algorithm, &digest, signature),
            (Self::P256(key), "ES") => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            (Self::P384(key), "ES") => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            (Self::P521(key), "ES") => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            (Self::Secret(secret), "HS") => {
                mac(algorithm, secret, message).is_ok_and(|expected| expected == signature)
            }
            _ => false,
        }
    }

    fn verifies_eddsa(&self, message: &[u8], signature: &[u8]) -> bool {
        match (self, ed25519_dalek::Signature::from_slice(signature)) {
            (Self::Ed25519(key), Ok(signature)) => key.verify(message, &signature).is_ok(),
            _ => false,
        }
    }
}

/// OPA's JOSE library takes salts of any length.
fn verifies_pss(key: &RsaPublicKey, algorithm: &str, digest: &[u8], signature: &[u8]) -> bool {
    let most = rsa::traits::PublicKeyParts::size(key).saturating_sub(digest.len() + 2);
    let lengths =
        std::iter::once(digest.len()).chain((0..=most).filter(|length| *length != digest.len()));
    lengths.into_iter().any(|length| {
        pss(algorithm, length).is_some_and(|scheme| key.verify(scheme, digest, signature).is_ok())
    })
}

fn pkcs1(algorithm: &str) -> Option<Pkcs1v15Sign> {
    match algorithm {
        "RS256" => Some(Pkcs1v15Sign::new::<Sha256>()),
        "RS384" => Some(Pkcs1v15Sign::new::<Sha384>()),
        "RS512" => Some(Pkcs1v15Sign::new::<Sha512>()),
        _ => None,
    }
}

fn pss(algorithm: &str, salt: usize) -> Option<Pss> {
    match algorithm {
        "PS256" => Some(Pss::new_with_salt::<Sha256>(salt)),
        "PS384" => Some(Pss::new_with_salt::<Sha384>(salt)),
        "PS512" => Some(Pss::new_with_salt::<Sha512>(salt)),
        _ => None,
    }
}

/// The family of an algorithm (`RS`, `PS`, `ES`, `HS`) and the digest it takes of a message.
fn digest<'a>(algorithm: &'a str, message: &[u8]) -> Option<(&'a str, Vec<u8>)> {
    let digest = match algorithm.get(2..)? {
        "256" => Sha256::digest(message).to_vec(),
        "384" => Sha384::digest(message).to_vec(),
        "512" => Sha512::digest(message).to_vec(),
        _ => return None,
    };
    Some((algorithm.get(..2)?, digest))
}

/// The code of HS256, HS384 or HS512.
pub fn mac(algorithm: &str, secret: &[u8], message: &[u8]) -> Result<Vec<u8>> {
    macro_rules! code {
        ($digest:ty) => {{
            let mut mac = <Hmac<$digest> as hmac::Mac>::new_from_slice(secret)?;
            mac.update(message);
            Ok(mac.finalize().into_bytes().to_vec())
        }};
    }
    match algorithm {
        "HS256" => code!(Sha256),
        "HS384" => code!(Sha384),
        "HS512" => code!(Sha512),
        _ => bail!("unknown JWS algorithm: {algorithm}"),
    }
}

/// Sign with a private JSON Web Key (RFC 7518).
pub fn sign(jwk: &Json, algorithm: &str, message: &[u8]) -> Result<Vec<u8>> {
    let kind = member(jwk, "kty")?;
    if algorithm == "EdDSA" && kind == "OKP" {
        let seed: [u8; 32] = octets(jwk, "d")?
            .try_into()
            .map_err(|_| anyhow!("bad length of d"))?;
        return Ok(ed25519_dalek::SigningKey::from_bytes(&seed)
            .sign(message)
            .to_bytes()
            .to_vec());
    }
    let (family, hash) = digest(algorithm, message).context("unknown JWS algorithm")?;
    match (family, kind) {
        ("HS", "oct") => mac(algorithm, &octets(jwk, "k")?, message),
        ("RS", "RSA") => Ok(rsa_private(jwk)?.sign(pkcs1(algorithm).context("algorithm")?, &hash)?),
        ("PS", "RSA") => {
            let scheme = pss(algorithm, hash.len()).context("algorithm")?;
            Ok(rsa_private(jwk)?.sign_with_rng(&mut rsa::rand_core::OsRng, scheme, &hash)?)
        }
        ("ES", "EC") => sign_ec(member(jwk, "crv")?, &octets(jwk, "d")?, &hash),
        _ => bail!("a key of type {kind} cannot sign with {algorithm}"),
    }
}

fn sign_ec(curve: &str, secret: &[u8], hash: &[u8]) -> Result<Vec<u8>> {
    match curve {
        "P-256" => {
            let signature: p256::ecdsa::Signature =
                p256::ecdsa::SigningKey::from_slice(secret)?.sign_prehash(hash)?;
            Ok(signature.to_bytes().to_vec())
        }
        "P-384" => {
            let signature: p384::ecdsa::Signature =
                p384::ecdsa::SigningKey::from_slice(secret)?.sign_prehash(hash)?;
            Ok(signature.to_bytes().to_vec())
        }
        "P-521" => {
            let signature: p521::ecdsa::Signature =
                p521::ecdsa::SigningKey::from_slice(secret)?.sign_prehash(hash)?;
            Ok(signature.to_bytes().to_vec())
        }
        other => bail!("unknown curve {other}"),
    }
}

fn rsa_private(jwk: &Json) -> Result<RsaPrivateKey> {
    let primes = match (number(jwk, "p"), number(jwk, "q")) {
        (Ok(p), Ok(q)) => vec![p, q],
        _ => vec![],
    };
    Ok(RsaPrivateKey::from_components(
        number(jwk, "n")?,
        number(jwk, "e")?,
        number(jwk, "d")?,
        primes,
    )?)
}

/// A private key of DER as a JSON Web Key: PKCS #1, PKCS #8 or SEC 1.
pub fn private_jwk(der: &[u8]) -> Result<Json> {
    use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
    let rsa = RsaPrivateKey::from_pkcs1_der(der)
        .or_else(|_| RsaPrivateKey::from_pkcs8_der(der).map_err(|_| rsa::pkcs1::Error::Crypto));
    if let Ok(mut key) = rsa {
        key.precompute()?;
        let text = |value: &BigUint| URL_SAFE_NO_PAD.encode(value.to_bytes_be());
        let [p, q] = key.primes() else {
            bail!("a key with more than two primes")
        };
        let inverse = key.crt_coefficient().context("no coefficient")?;
        return Ok(serde_json::json!({
            "kty": "RSA", "n": text(key.n()), "e": text(key.e()), "d": text(key.d()),
            "p": text(p), "q": text(q),
            "dp": text(key.dp().context("no dp")?), "dq": text(key.dq().context("no dq")?),
            "qi": text(&inverse),
        }));
    }
    macro_rules! curve {
        ($curve:ident, $name:literal) => {
            let key = $curve::SecretKey::from_sec1_der(der)
                .or_else(|_| $curve::SecretKey::from_pkcs8_der(der).map_err(|_| $curve::elliptic_curve::Error));
            if let Ok(key) = key {
                let public = $curve::elliptic_curve::sec1::ToEncodedPoint::to_encoded_point(&key.public_key(), false);
                return Ok(serde_json::json!({
                    "kty": "EC", "crv": $name, "d": URL_SAFE_NO_PAD.encode(key.to_bytes()),
                    "x": URL_SAFE_NO_PAD.encode(public.x().context("no x")?),
                    "y": URL_SAFE_NO_PAD.encode(public.y().context("no y")?),
                }));
            }
        };
    }
    curve!(p256, "P-256");
    curve!(p384, "P-384");
    curve!(p521, "P-521");
    let key = ed25519_dalek::SigningKey::from_pkcs8_der(der)
        .map_err(|_| anyhow!("failed to parse private key"))?;
    Ok(serde_json::json!({
        "kty": "OKP", "crv": "Ed25519", "d": URL_SAFE_NO_PAD.encode(key.to_bytes()),
        "x": URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes()),
    }))
}

fn member<'a>(jwk: &'a Json, name: &str) -> Result<&'a str> {
    jwk.get(name)
        .and_then(Json::as_str)
        .with_context(|| format!("the key has no {name}"))
}

fn octets(jwk: &Json, name: &str) -> Result<Vec<u8>> {
    let text = member(jwk, name)?
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    Ok(URL_SAFE_NO_PAD.decode(text)?)
}

fn number(jwk: &Json, name: &str) -> Result<BigUint> {
    Ok(BigUint::from_bytes_be(&octets(jwk, name)?))
}

fn point(jwk: &Json) -> Result<Vec<u8>> {
    let mut bytes = vec![4];
    bytes.extend(octets(jwk, "x")?);
    bytes.extend(octets(jwk, "y")?);
    Ok(bytes)
}
