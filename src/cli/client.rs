//! Questions to a running server, signed as a back end signs them.

use crate::config::Config;
use crate::protocol::request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MOST: usize = 64 << 20;

/// Asks the server that `config` describes for one of the routes of its first enabled app, such as `/nodes`; the body
/// of its answer, or one line that says why there is none.
pub(super) fn get(config: &Config, route: &str) -> Result<Bytes, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let (host, port) = (reachable(&config.server.host), config.server.port);
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let asked = runtime.block_on(async { timeout(PATIENCE, ask(config, &host, &place, route)).await });
    asked.unwrap_or_else(|_| Err(format!("{place} does not answer within {} s", PATIENCE.as_secs())))
}

async fn ask(config: &Config, host: &str, place: &str, route: &str) -> Result<Bytes, String> {
    let app = config.apps.iter().find(|app| app.enabled);
    let app = app.ok_or("every app of the configuration is disabled, and the server is asked with an app's key")?;
    let key = app.keys.iter().next().expect("every app has a key");
    let secret = app.keys.secret(key).expect("every key has a secret");
    let path = format!("{}/apps/{}{route}", config.server.path, app.id);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let query = request::sign("GET", &path, key, secret, now);

    let hint = "is the server running, and is this its configuration? --host and --port say where it is";
    let stream = TcpStream::connect((host, config.server.port)).await;
    let stream = stream.map_err(|error| format!("cannot connect to {place}: {error}; {hint}"))?;
    let broken = |error: hyper::Error| format!("{place} does not answer as a server of HTTP does: {error}; {hint}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get(format!("{path}?{query}")).header(HOST, place).body(Empty::<Bytes>::new());
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
