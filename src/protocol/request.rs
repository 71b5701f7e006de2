//! Signed HTTP requests (spec 5.2). The signature covers method, path and query; the query's `body_md5` covers the
//! body, so that a request can be judged before its body is read.

use super::signature::{Keys, Secret};
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// More query parameters than any SDK sends; judging more of them would cost more than answering.
const MAX_PARAMETERS: usize = 256;

/// The head of a request, as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Upper-case method.
    pub method: &'a str,
    /// Path as sent, without the query.
    pub path: &'a str,
    /// Query as sent, without the question mark.
    pub query: &'a str,
    /// The configured path prefix, or nothing. SDKs sign with it or without it (H6).
    pub prefix: &'a str,
}

/// The parameters of a request whose signature is right, names in lower case, in the order they were sent.
#[derive(Debug)]
pub struct Signed(Vec<(String, String)>);

impl Signed {
    /// The first parameter called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// Every parameter called `name`, `name[]` or `name[0]`, `name[1]`, ...
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| array(n).unwrap_or(n) == name).map(|(_, value)| &**value)
    }

    /// Checks the body against the signed `body_md5`, which only an empty body may lack. Text of the 401 (5.2 step 5).
    pub fn check_body(&self, body: &[u8]) -> Result<(), String> {
        match self.get("body_md5") {
            None if body.is_empty() => Ok(()),
            None => Err("Missing parameter: body_md5".to_owned()),
            Some(sent) if sent == hex::encode(Md5::digest(body)) => Ok(()),
            Some(sent) => Err(format!(
                "Invalid body_md5: the body of {} bytes that arrived does not have the MD5 {sent:.64}",
                body.len()
            )),
        }
    }
}

/// The signed query of a request made at `now` with `parameters` of its own, whose names are in lower case.
pub fn sign(
    (method, path, parameters): (&str, &str, &[(&str, &str)]),
    body: &[u8],
    (key, secret): (&str, &Secret),
    now: Duration,
) -> String {
    let (seconds, md5) = (now.as_secs().to_string(), hex::encode(Md5::digest(body)));
    let mut all = vec![("auth_key", key), ("auth_timestamp", &seconds), ("auth_version", "1.0")];
    all.extend(Some(("body_md5", md5.as_str())).filter(|_| !body.is_empty()));
    all.extend(parameters);
    all.sort_unstable();
    let signed: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let signature = secret.sign(&[method, "\n", path, "\n", &signed.join("&")]);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(all).append_pair("auth_signature", &signature).finish()
}

/// Checks everything about a request but its body. The error is the text of the 401.
pub fn verify(head: Head<'_>, keys: &Keys, now: Duration, window_secs: u64) -> Result<Signed, String> {
    if head.query.split('&').count() > MAX_PARAMETERS {
        return Err(format!("Too many query parameters: at most {MAX_PARAMETERS}"));
    }
    let decoded = form_urlencoded::parse(head.query.as_bytes());
    let signed = Signed(decoded.map(|(name, value)| (name.to_lowercase(), value.into_owned())).collect());
    let sent_key = signed.get("auth_key").ok_or("Missing parameter: auth_key")?;
    let secret = keys
        .secret(sent_key)
        .ok_or_else(|| format!("Unknown auth_key: {sent_key:.100} is not a key of this application"))?;
    match signed.get("auth_version") {
        None => return Err("Version required".to_owned()),
        Some("1.0") => {}
        Some(_) => return Err("Version not supported: auth_version must be 1.0".to_owned()),
    }
    let timestamp = signed.get("auth_timestamp").unwrap_or_default();
    let digits = Some(timestamp).filter(|text| text.bytes().all(|b| b.is_ascii_digit())).unwrap_or_default();
    let timestamp: u64 = digits.parse().map_err(|_| "Timestamp required: auth_timestamp must be in seconds")?;
    if timestamp.abs_diff(now.as_secs()) >= window_secs {
        let (given, now) = (iso8601(timestamp), iso8601(now.as_secs()));
        return Err(format!(
            "Timestamp expired: Given timestamp ({given}) not within {window_secs}s of server time ({now})"
        ));
    }
    let signature = signed.get("auth_signature").ok_or("Missing parameter: auth_signature")?;
    let raw = || head.query.split('&').filter(|pair| !pair.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
    let paths = paths(head);
    // The forms that SDKs sign, the usual one first; the others are only built when it does not match.
    let forms: [&dyn Fn() -> String; 3] = [
        &|| canonical(signed.0.iter().map(|(name, value)| (name.clone(), &**value))),
        &|| canonical(raw().map(|(name, value)| (name.to_lowercase(), value))),
        &|| canonical(joined(&signed.0).iter().map(|(name, value)| (name.clone(), &**value))),
    ];
    let verified = forms.iter().any(|form| {
        let query = form();
        paths.iter().any(|path| secret.verify(&[head.method, "\n", path, "\n", &query], signature))
    });
    if !verified {
        let (method, path, query) = (head.method, &paths[0], forms[0]());
        return Err(format!(
            "Invalid signature: you should have sent HmacSHA256Hex(\"{method}\\n{path}\\n{query}\", your_secret_key), \
             but you sent \"{signature:.100}\""
        ));
    }
    Ok(signed)
}

/// The paths that may have been signed: without and with the prefix, as sent and percent-decoded (H2, H6).
fn paths(head: Head<'_>) -> Vec<Cow<'_, str>> {
    let bare = head.path.strip_prefix(head.prefix).filter(|rest| rest.starts_with('/')).unwrap_or(head.path);
    let mut paths = vec![Cow::Borrowed(bare)];
    if !head.prefix.is_empty() {
        paths.push(Cow::Owned(format!("{}{bare}", head.prefix)));
    }
    if bare.contains('%') {
        let decoded: Vec<_> = paths.iter().map(|p| percent_decode_str(p).decode_utf8_lossy().into_owned()).collect();
        paths.extend(decoded.into_iter().map(Cow::Owned));
    }
    paths
}

/// `name=value` joined by `&`, sorted by name, without the signature itself.
fn canonical<'a>(pairs: impl Iterator<Item = (String, &'a str)>) -> String {
    let mut pairs: Vec<_> = pairs.filter(|(name, _)| name != "auth_signature").collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// PHP sends `k[0]=a&k[1]=b` and signs `k=a,b` (H5).
fn joined(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs {
        match out.iter_mut().find(|(n, _)| Some(&**n) == array(name)) {
            Some((_, list)) => *list = format!("{list},{value}"),
            None => out.push((array(name).unwrap_or(name).to_owned(), value.clone())),
        }
    }
    out
}

/// `name` of `name[...]`.
fn array(name: &str) -> Option<&str> {
    name.strip_suffix(']').and_then(|rest| rest.split_once('[')).map(|(name, _)| name)
}

/// A time as people write it; times past the year 9999 have no such form.
fn iso8601(secs: u64) -> String {
    match SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(secs)) {
        Some(time) if secs < 253_402_300_800 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => secs.to_string(),
    }
}

#[cfg(test)]
mod tests;
