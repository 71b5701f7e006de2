//! Posts a request to an endpoint and says what became of it. The only place that speaks HTTP to endpoints.

use super::guard::Guard;
use super::request::Request;
use crate::app::Endpoint;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::USER_AGENT;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, crypto};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How much of an answer's body is read, so that the connection can be used again.
const MOST_ANSWER: usize = 64 * 1024;
/// How long that may take.
const READ_FOR: Duration = Duration::from_secs(1);
/// How long a connection is kept for the next request: names may mean other addresses later.
const IDLE: Duration = Duration::from_secs(30);

/// Delivers, and keeps connections for the next time.
#[derive(Debug)]
pub(super) struct Courier {
    client: Client<HttpsConnector<HttpConnector<Guard>>, Full<Bytes>>,
    tls: Arc<ClientConfig>,
    guard: Guard,
    timeout: Duration,
}

/// What became of an attempt: the status, if there was an answer, and why it failed, if it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: Option<u16>,
    pub(super) failure: Option<String>,
}

/// Whom to trust.
pub(super) type Trust = ClientConfig;

/// Whom to trust: the authorities in `ca`, in PEM, or the public ones.
pub(super) fn trust(ca: Option<&[u8]>) -> Result<Trust, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let Some(ca) = ca else { return Ok(builder.with_webpki_roots().with_no_client_auth()) };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate in PEM".to_owned());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Courier {
    /// Trusts servers as `tls` says, and goes to addresses of the public internet alone.
    pub(super) fn new(tls: Arc<ClientConfig>, timeout: Duration) -> Self {
        let guard = Guard { open: false };
        Self { client: client(&tls, &guard), tls, guard, timeout }
    }

    /// Goes to every address from now on, or no longer; then connections that it has are not used any more either.
    pub(super) fn open(&mut self, open: bool) {
        if self.guard.open != open {
            self.guard = Guard { open };
            self.client = client(&self.tls, &self.guard);
        }
    }

    /// Makes one attempt.
    pub(super) async fn post(&self, endpoint: &Endpoint, request: &Request) -> Outcome {
        match self.send(endpoint, request).await {
            Ok(status) if (200..300).contains(&status) => Outcome { status: Some(status), failure: None },
            // What is followed could lead anywhere, with a signature of the app.
            Ok(status @ 300..400) => {
                let failure = format!("status {status}: redirects are not followed, set the endpoint's final URL");
                Outcome { status: Some(status), failure: Some(failure) }
            }
            Ok(status) => Outcome { status: Some(status), failure: Some(format!("status {status}")) },
            Err(failure) => Outcome { status: None, failure: Some(failure) },
        }
    }

    async fn send(&self, endpoint: &Endpoint, request: &Request) -> Result<u16, String> {
        let mut post =
            hyper::Request::post(&endpoint.url).header(USER_AGENT, concat!("fanfare/", env!("CARGO_PKG_VERSION")));
        for (name, value) in request.headers(endpoint) {
            post = post.header(name, value);
        }
        let post = post.body(Full::new(request.body.clone())).map_err(|error| error.to_string())?;
        // The resolver is not asked about an address.
        let host = post.uri().host().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            self.guard.check(address)?;
        }
        // What follows the status is no part of the attempt: whoever has answered has answered in time.
        let answer = timeout(self.timeout, self.client.request(post)).await;
        let answer = answer.map_err(|_| format!("no answer within {} s", self.timeout.as_secs()))?;
        let answer = answer.map_err(|error| causes(&error))?;
        let status = answer.status().as_u16();
        // Read to its end the connection serves the next request; what an endpoint says besides its status is its own.
        let rest = Limited::new(answer.into_body(), MOST_ANSWER).collect();
        let _ = timeout(READ_FOR, rest).await;
        Ok(status)
    }
}

/// What makes connections, and keeps them for the next time.
fn client(tls: &ClientConfig, guard: &Guard) -> Client<HttpsConnector<HttpConnector<Guard>>, Full<Bytes>> {
    let mut http = HttpConnector::new_with_resolver(guard.clone());
    http.enforce_http(false);
    http.set_nodelay(true);
    let https =
        HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_http1().wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .http1_title_case_headers(true)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(1)
        .pool_timer(TokioTimer::new())
        .build(https)
}

/// An error with what caused it, in one line.
fn causes(error: &dyn Error) -> String {
    let (mut texts, mut cause) = (Vec::new(), Some(error));
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    // Each layer may repeat the one below it.
    texts.dedup();
    match texts.len() {
        0 | 1 => texts.concat(),
        _ => texts[1..].join(": "),
    }
}
