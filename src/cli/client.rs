//! Questions to a running server, signed as a back end signs them.

use super::{complain, say};
use crate::app::App;
use crate::config::Config;
use crate::protocol::request;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MOST: usize = 64 << 20;

/// A question to the server that `config` describes.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) config: &'a Config,
    /// The id of the app whose key signs it; without one it is the first that is enabled.
    pub(super) app: Option<&'a str>,
    /// One of the app's routes, such as `/nodes`.
    pub(super) route: &'a str,
    /// Parameters of the query.
    pub(super) parameters: &'a [(&'a str, &'a str)],
    /// What is posted; without it the route is only read.
    pub(super) body: Option<&'a str>,
}

/// Asks; the body of the answer, or one line that says why there is none.
pub(super) fn ask(question: Question<'_>) -> Result<Bytes, String> {
    let config = question.config;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let (host, port) = (reachable(&config.server.host), config.server.port);
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let asked = runtime.block_on(async { timeout(PATIENCE, question.ask(&host, &place)).await });
    asked.unwrap_or_else(|_| Err(format!("{place} does not answer within {} s", PATIENCE.as_secs())))
}

impl Question<'_> {
    fn app(&self) -> Result<&App, String> {
        let apps = &self.config.apps;
        match self.app {
            None => apps.iter().find(|app| app.enabled).ok_or(
                "every app of the configuration is disabled, and the server is asked with an app's key".to_owned(),
            ),
            Some(id) => apps.iter().find(|app| app.id == id).ok_or_else(|| {
                let ids: Vec<_> = apps.iter().map(|app| app.id.as_str()).collect();
                format!("no app of the configuration has the id {id:?}; there are {}", ids.join(", "))
            }),
        }
    }

    async fn ask(self, host: &str, place: &str) -> Result<Bytes, String> {
        let (app, server) = (self.app()?, &self.config.server);
        let key = app.keys.iter().next().expect("every app has a key");
        let secret = app.keys.secret(key).expect("every key has a secret");
        let path = format!("{}/apps/{}{}", server.path, app.id, self.route);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (method, body) = self.body.map_or((Method::GET, ""), |body| (Method::POST, body));
        let asked = (method.as_str(), path.as_str(), self.parameters);
        let query = request::sign(asked, body.as_bytes(), (key, secret), now);

        let hint = "is the server running, and is this its configuration? --host and --port say where it is";
        let stream = TcpStream::connect((host, server.port)).await;
        let stream = stream.map_err(|error| format!("cannot connect to {place}: {error}; {hint}"))?;
        let broken = |error: hyper::Error| format!("{place} does not answer as a server of HTTP does: {error}; {hint}");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = Request::builder().method(method).uri(format!("{path}?{query}")).header(HOST, place);
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        let request = request.map_err(|error| format!("no request can be made to {place}{path}: {error}"))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            let body = body.map_err(|error| format!("the answer of {place} breaks off: {error}"))?.to_bytes();
            if status.is_success() {
                return Ok(body);
            }
            Err(format!("{place} refuses with {status}: {}", String::from_utf8_lossy(&body).trim()))
        };
        // The connection ends with the answer: it is driven only until then.
        tokio::select! {
            answer = answer => answer,
            Err(error) = connection => Err(broken(error)),
        }
    }
}

/// Prints what the server answers, as it is or as `show` makes it readable.
pub(super) fn tell(question: Question<'_>, json: bool, show: impl FnOnce(&str) -> Option<String>) -> ExitCode {
    let answer = ask(question).and_then(|body| {
        let text = String::from_utf8_lossy(&body).into_owned();
        if json { Ok(text) } else { show(&text).ok_or(format!("the server answers otherwise: {text}")) }
    });
    match answer {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// An address to connect to for one to listen on.
fn reachable(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(any)) if any.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(any)) if any.is_unspecified() => "::1".to_owned(),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_asked_on_this_machine() {
        let reached = ["0.0.0.0", "::", "10.0.0.1", "ws.app.test"].map(reachable);
        assert_eq!(reached, ["127.0.0.1", "::1", "10.0.0.1", "ws.app.test"]);
    }
}
