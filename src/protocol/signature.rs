//! Strings to sign, and signatures checked in constant time (spec 2.4, 4.1 and 5.2).

use super::ids::SocketId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// An app's secret, ready to sign. The text itself is not kept and never printed.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// Prepares `secret` for signing.
    pub fn new(secret: &str) -> Self {
        Self(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length"))
    }

    /// The signature of the concatenated `parts`, as lower-case hexadecimal.
    pub fn sign(&self, parts: &[&str]) -> String {
        hex::encode(self.mac(parts).finalize().into_bytes())
    }

    /// Whether `signature` is the lower-case hexadecimal signature of the concatenated `parts`.
    pub fn verify(&self, parts: &[&str], signature: &str) -> bool {
        let mut digest = [0; 32];
        let lower = !signature.bytes().any(|b| b.is_ascii_uppercase());
        lower && hex::decode_to_slice(signature, &mut digest).is_ok() && self.mac(parts).verify_slice(&digest).is_ok()
    }

    /// The first half of the signature of `bytes` at `place`, for nodes that know the secret.
    pub fn seal(&self, place: &str, bytes: &[u8]) -> [u8; 16] {
        let digest = self.sealing(place, bytes).finalize().into_bytes();
        std::array::from_fn(|n| digest[n])
    }

    /// Whether `seal` is that of `bytes` at `place`.
    pub fn is_sealed(&self, place: &str, bytes: &[u8], seal: &[u8]) -> bool {
        seal.len() == 16 && self.sealing(place, bytes).verify_truncated_left(seal).is_ok()
    }

    /// The length in front tells where the place ends and the bytes begin.
    fn sealing(&self, place: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let len = (place.len() as u64).to_be_bytes();
        self.0.clone().chain_update(len).chain_update(place).chain_update(bytes)
    }

    fn mac(&self, parts: &[&str]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part.as_bytes());
        }
        mac
    }
}

/// Two are the same if they sign the same way.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.verify(&[""], &other.sign(&[""]))
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An app's keys, oldest first, each with the secret that signs for it. There is always one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<(String, Secret)>);

impl Keys {
    /// The app's oldest key, which is the one it signs with itself (X2).
    pub fn new(key: &str, secret: &str) -> Self {
        Self(vec![(key.to_owned(), Secret::new(secret))])
    }

    /// Adds a younger key, so that signers can move to it while the older ones still count.
    pub fn add(&mut self, key: &str, secret: &str) {
        self.0.push((key.to_owned(), Secret::new(secret)));
    }

    /// The secret that signs for `key`.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, secret)| secret)
    }

    /// Every key, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }

    /// Checks `auth`, which must be `{key}:{signature}` over the concatenated `parts` (A2). The error is for the
    /// client; it names what was signed and never the right digest (F2).
    fn verify(&self, parts: &[&str], auth: Option<&str>) -> Result<(), String> {
        let (key, signature) = auth.unwrap_or_default().split_once(':').unwrap_or_default();
        let secret = self.secret(key);
        if secret.is_some_and(|secret| secret.verify(parts, signature)) {
            return Ok(());
        }
        let (got, hint) = match auth {
            None | Some("") => ("none", ": auth is missing"),
            Some(_) if secret.is_none() => {
                (signature, " (the part of auth before the first colon is not this application's key)")
            }
            Some(_) => (signature, ""),
        };
        let signed = parts.concat();
        Err(format!("Invalid signature: Expected HMAC SHA256 hex digest of {signed:.1000}, but got {got:.100}{hint}"))
    }
}

/// Checks a subscription's `auth` over socket id, channel and, where the client sent it, `channel_data` exactly as it
/// was received (A1 to A5).
pub fn verify_channel(
    keys: &Keys,
    socket: SocketId,
    channel: &str,
    channel_data: Option<&str>,
    auth: Option<&str>,
) -> Result<(), String> {
    let socket = socket.to_string();
    let mut parts = vec![&*socket, ":", channel];
    parts.extend(channel_data.iter().flat_map(|data| [":", *data]));
    keys.verify(&parts, auth)
}

/// Checks a sign-in's `auth` over socket id and `user_data` exactly as it was received (U1).
pub fn verify_user(keys: &Keys, socket: SocketId, user_data: &str, auth: Option<&str>) -> Result<(), String> {
    keys.verify(&[&socket.to_string(), "::user::", user_data], auth)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "278d425bdf160c739803";

    fn secret() -> Secret {
        Secret::new("7ad3773142a6692b25b8")
    }

    fn verify(channel: &str, data: Option<&str>, auth: Option<&str>) -> Result<(), String> {
        let socket = SocketId::parse("1234.1234").unwrap().unwrap();
        verify_channel(&Keys::new(KEY, "7ad3773142a6692b25b8"), socket, channel, data, auth)
    }

    /// Spec section 13, the vectors that are not HTTP requests (those are in `request`).
    const VECTORS: [(&str, &str); 7] = [
        ("1234.1234:private-foobar", "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"),
        ("1234.1234:private-encrypted-foobar", "e6a18892d037c5d5e76a2265df4f086ffc38631605530dfd214aa5bff495f533"),
        (
            r#"1234.1234:private-foobar:{"user_id":"7"}"#,
            "ef7e855393a3edc7a3e8b78f0d90e5bae087fd79246b3cbb54fd4623c892c12d",
        ),
        (
            r#"1234.1234:presence-foobar:{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#,
            "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
        ),
        (
            r#"1234.1234:presence-foobar:{"user_id":10,"user_info":{"name":"Mr. Pusher"}}"#,
            "afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c",
        ),
        (r#"1234.1234::user::{"id":"12345"}"#, "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"),
        (
            r#"{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}"#,
            "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf",
        ),
    ];

    #[test]
    fn vectors_sign_and_verify() {
        for (text, digest) in VECTORS {
            assert_eq!(secret().sign(&[text]), digest, "{text}");
            assert!(secret().verify(&[text], digest), "{text}");
        }
    }

    #[test]
    fn only_the_exact_lower_case_digest_verifies() {
        let (text, digest) = VECTORS[0];
        assert!(!secret().verify(&[text], &digest.to_uppercase()));
        assert!(!secret().verify(&[text], &digest[..62]));
        assert!(!secret().verify(&[text], &format!("{digest}00")));
        assert!(!secret().verify(&[text], &digest.replacen('5', "6", 1)));
        assert!(!secret().verify(&[text], ""));
        assert!(!secret().verify(&[text], "zz"));
    }

    #[test]
    fn channels_verify_with_their_vectors() {
        for (text, digest) in &VECTORS[..5] {
            let mut parts = text.splitn(3, ':').skip(1);
            let (channel, data) = (parts.next().unwrap(), parts.next());
            assert_eq!(verify(channel, data, Some(&format!("{KEY}:{digest}"))), Ok(()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_was_signed() {
        let digest = VECTORS[0].1;
        let good = format!("{KEY}:{digest}");
        let expect = "Invalid signature: Expected HMAC SHA256 hex digest of 1234.1234:private-foobar, but got ";
        let bad = |auth: Option<&str>| {
            let error = verify("private-foobar", None, auth).unwrap_err();
            assert!(error.starts_with(expect), "{error}");
            error
        };
        assert!(!bad(Some(&format!("{KEY}:{}", digest.replacen('5', "6", 1)))).contains(digest));
        assert!(bad(None).contains("auth is missing"));
        assert!(bad(Some("")).contains("auth is missing"));
        assert!(bad(Some(digest)).contains("before the first colon"));
        assert!(bad(Some(&format!("other:{digest}"))).contains("before the first colon"));
        assert!(bad(Some(&format!("{KEY}::{digest}"))).ends_with(&format!("but got :{digest}")));
        assert!(verify("private-other", None, Some(&good)).is_err());
        assert!(verify("private-foobar", Some(r#"{"user_id":"7"}"#), Some(&good)).is_err());
    }

    #[test]
    fn users_verify_with_their_vector() {
        let (keys, socket) = (Keys::new(KEY, "7ad3773142a6692b25b8"), SocketId::parse("1234.1234").unwrap().unwrap());
        let auth = format!("{KEY}:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba");
        assert_eq!(verify_user(&keys, socket, r#"{"id":"12345"}"#, Some(&auth)), Ok(()));
        let error = verify_user(&keys, socket, r#"{"id": "12345"}"#, Some(&auth)).unwrap_err();
        assert!(error.contains(r#"digest of 1234.1234::user::{"id": "12345"}, but got 4708"#), "{error}");
    }

    #[test]
    fn every_key_counts_with_its_own_secret() {
        let mut keys = Keys::new("old", "old-secret");
        keys.add("new", "new-secret");
        let socket = SocketId::parse("1.1").unwrap().unwrap();
        let check = |key: &str, secret: &str| {
            let auth = format!("{key}:{}", Secret::new(secret).sign(&["1.1:private-a"]));
            verify_channel(&keys, socket, "private-a", None, Some(&auth)).is_ok()
        };
        assert!(check("old", "old-secret") && check("new", "new-secret"));
        assert!(!check("old", "new-secret") && !check("new", "old-secret") && !check("other", "old-secret"));
    }

    #[test]
    fn a_secret_prints_as_stars() {
        assert_eq!(format!("{:?}", secret()), "***");
    }
}
