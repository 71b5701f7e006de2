//! Questions to a running server, signed as a back end signs them.

use super::link::{Target, Unreachable};
use super::place::Server;
use super::print::{fail, say};
use crate::protocol::request;
use futures_util::stream;
use http_body_util::{BodyExt, Either, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MOST: usize = 64 << 20;
/// A body above this is only sent once the server has said that it wants it: one that is refused meanwhile might never
/// be read, and with it the refusal.
const ASKS_FIRST: usize = 16 << 10;
/// For how long that is waited for. Some servers never say so.
const ASKS_FOR: Duration = Duration::from_secs(1);

const HINT: &str = "is the server running, and is this its configuration? --host and --port, or --url, say where it is";

/// A question to one of `server`'s routes for an app.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) server: &'a Server,
    /// The id of the app whose key signs it; without one it is the first that is enabled.
    pub(super) app: Option<&'a str>,
    /// One of the app's routes, such as `/nodes`.
    pub(super) route: &'a str,
    /// Parameters of the query.
    pub(super) parameters: &'a [(&'a str, &'a str)],
    /// What is posted; without it the route is only read.
    pub(super) body: Option<&'a str>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}; {HINT}")]
    Unreachable(#[from] Unreachable),
    /// It is not HTTP what is spoken there, or it broke off.
    #[error("{0} does not answer as a server of HTTP does: {1}; {HINT}")]
    Broken(String, hyper::Error),
    #[error("{0} does not answer within {n} s", n = PATIENCE.as_secs())]
    Late(String),
    /// The server's own words.
    #[error("{0} refuses with {1}: {2}")]
    Refused(String, StatusCode, String),
    /// There is nothing to ask, or nothing to read.
    #[error("{0}")]
    Other(String),
}

/// Runs what has to wait for a server.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Other(format!("the system refuses: {error}")))?;
    runtime.block_on(work)
}

/// Asks; the body of the answer, or why there is none.
pub(super) fn ask(question: Question<'_>) -> Result<Bytes, Failure> {
    block_on(question.ask())
}

impl Question<'_> {
    /// The body of the answer, if it is a good one.
    pub(super) async fn ask(self) -> Result<Bytes, Failure> {
        let place = self.server.target.address.authority();
        let asked = async { whole(&place, self.open().await?).await };
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(Failure::Late(place.clone())))
    }

    /// The answer as it comes, if it is a good one.
    pub(super) async fn open(self) -> Result<Response<Incoming>, Failure> {
        let app = self.server.app(self.app).map_err(Failure::Other)?;
        let key = app.keys.iter().next().expect("every app has a key");
        let secret = app.keys.secret(key).expect("every key has a secret");
        let path = format!("{}/apps/{}{}", self.server.target.address.path, app.id, self.route);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (method, body) = self.body.map_or((Method::GET, ""), |body| (Method::POST, body));
        let query = request::sign((method.as_str(), &path, self.parameters), body.as_bytes(), (key, secret), now);
        send(&self.server.target, method, &format!("{path}?{query}"), body).await
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

/// What is answered to one request for a path and query, whatever that is.
pub(super) async fn exchange(server: &Target, path: &str) -> Result<Answer, Failure> {
    let place = server.address.authority();
    let asked = async {
        let answer = request(server, Method::GET, path, "").await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = String::from_utf8_lossy(&whole(&place, answer).await?).trim().to_owned();
        Ok(Answer { status, headers, text })
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(Failure::Late(place.clone())))
}

/// What the server answers to an unsigned question, such as `/up`.
pub(super) async fn get(target: &Target, route: &str) -> Result<Bytes, Failure> {
    let answer = send(target, Method::GET, &format!("{}{route}", target.address.path), "").await?;
    whole(&target.address.authority(), answer).await
}

/// Makes one request for a path and query; an answer that is no good one is a failure.
async fn send(server: &Target, method: Method, target: &str, body: &str) -> Result<Response<Incoming>, Failure> {
    let answer = request(server, method, target, body).await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let (place, status) = (server.address.authority(), answer.status());
    let text = whole(&place, answer).await?;
    Err(Failure::Refused(place, status, String::from_utf8_lossy(&text).trim().to_owned()))
}

/// Makes one request for a path and query.
async fn request(server: &Target, method: Method, target: &str, body: &str) -> Result<Response<Incoming>, Failure> {
    let place = server.address.authority();
    let link = server.connect().await?;
    let broken = |error| Failure::Broken(place.clone(), error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(link)).await.map_err(broken)?;
    // It ends with the answer, or with the process.
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(target).header(HOST, &place).header(USER_AGENT, AGENT);
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let wanted = Arc::new(Notify::new());
    let body = if body.len() > ASKS_FIRST {
        request = request.header(CONTENT_LENGTH, body.len()).header(EXPECT, "100-continue");
        Either::Right(StreamBody::new(Box::pin(stream::once(held(body.to_owned().into(), wanted.clone())))))
    } else {
        Either::Left(Full::new(Bytes::copy_from_slice(body.as_bytes())))
    };
    let mut request = request
        .body(body)
        .map_err(|error| Failure::Other(format!("no request can be made to {place}{target}: {error}")))?;
    hyper::ext::on_informational(&mut request, move |_| wanted.notify_one());
    sender.send_request(request).await.map_err(broken)
}

/// A body that waits until it is wanted.
async fn held(body: Bytes, wanted: Arc<Notify>) -> Result<Frame<Bytes>, Infallible> {
    let _ = timeout(ASKS_FOR, wanted.notified()).await;
    Ok(Frame::data(body))
}

const AGENT: &str = concat!("fanfare/", env!("CARGO_PKG_VERSION"));

/// The whole body of an answer.
async fn whole(place: &str, answer: Response<Incoming>) -> Result<Bytes, Failure> {
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    Ok(body.map_err(|error| Failure::Other(format!("the answer of {place} breaks off: {error}")))?.to_bytes())
}

/// Prints what the server answers, as it is or as `show` makes it readable.
pub(super) fn tell(question: Question<'_>, json: bool, show: impl FnOnce(&str) -> Option<String>) -> ExitCode {
    print(ask(question).map(|body| String::from_utf8_lossy(&body).into_owned()), json, show)
}

/// Prints an answer likewise.
pub(super) fn print(
    answer: Result<String, Failure>,
    json: bool,
    show: impl FnOnce(&str) -> Option<String>,
) -> ExitCode {
    let text = answer.map_err(|error| error.to_string()).and_then(|text| {
        if json { Ok(text) } else { show(&text).ok_or(format!("the server answers otherwise: {text}")) }
    });
    match text {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}
