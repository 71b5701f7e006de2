//! WebSockets: the upgrade, and one task for each connection.
//!
//! The upgrade always succeeds where the request is a WebSocket handshake; an unknown key, a quota or a version is
//! told afterwards by a close code, because clients retry for ever on anything else (C1). Must not know: what
//! messages mean.

mod handshake;
mod socket;
mod write;

use crate::node::Node;
use crate::protocol::{CloseCode, Frame};
use crate::session::{Session, farewell};
use crate::transport::deadline::Deadline;
use crate::transport::peer::Proxies;
use crate::transport::stream::Stream;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, extract::rejection::PathRejection};
use bytes::Bytes;
use handshake::Handshake;
use hyper::upgrade::{OnUpgrade, Parts};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// What upgrades need.
#[derive(Clone, Debug)]
pub struct Upgrades {
    /// Where connections are admitted.
    pub node: Arc<Node>,
    /// Counts connections' tasks, so that a stop can wait for them. Once it is closed, no more are taken.
    pub tasks: TaskTracker,
    /// Whose word about their clients counts.
    pub proxies: Proxies,
}

/// The route for clients, `/app/{key}`.
pub fn router(upgrades: Upgrades) -> Router {
    Router::new().route("/app/{key}", get(app)).with_state(upgrades)
}

async fn app(State(upgrades): State<Upgrades>, key: Result<Path<String>, PathRejection>, request: Request) -> Response {
    // A key that is not UTF-8 is nobody's.
    let key = key.map(|Path(key)| key).unwrap_or_default();
    upgrades.accept(request, Some(key))
}

impl Upgrades {
    /// Answers a handshake on a path that is no app's with 4005 (C6), anything else on it with `not_found`.
    pub fn stray(&self, request: Request, not_found: impl FnOnce() -> Response) -> Response {
        if Handshake::is_asked(request.headers()) { self.accept(request, None) } else { not_found() }
    }

    fn accept(&self, mut request: Request, key: Option<String>) -> Response {
        let handshake = match Handshake::read(request.method(), request.headers(), request.uri().query()) {
            Ok(handshake) => handshake,
            Err(refused) => return *refused,
        };
        let peer = request.extensions().get().copied().unwrap_or_default();
        let handshake = handshake.from(peer, &self.proxies, request.headers());
        if self.tasks.is_closed() {
            return (StatusCode::SERVICE_UNAVAILABLE, "The server is stopping: connect again\n").into_response();
        }
        let upgrade = hyper::upgrade::on(&mut request);
        let response = handshake.response();
        self.tasks.spawn(serve(self.node.clone(), upgrade, handshake, key));
        response
    }
}

/// The life of one connection, from its upgrade to its end. What is only needed at either end is boxed, so that an
/// idle connection does not carry it.
async fn serve(node: Arc<Node>, upgrade: OnUpgrade, handshake: Handshake, key: Option<String>) {
    let Some((mut socket, mut session)) = Box::pin(open(node, upgrade, handshake, key)).await else { return };
    let end = socket::drive(&mut socket, &mut session).await;
    Box::pin(socket::close(socket, session, end)).await;
}

/// Waits for the upgrade and admits the connection, or closes it with the reason.
async fn open(
    node: Arc<Node>,
    upgrade: OnUpgrade,
    handshake: Handshake,
    key: Option<String>,
) -> Option<(Box<socket::Socket>, Session)> {
    let (stream, read_ahead) = upgraded(upgrade).await?;
    match admit(&node, &handshake, key.as_deref()) {
        Ok(connection) => {
            let session = Session::new(node, connection, handshake.version());
            session.began(handshake.visitor());
            let socket = socket::open(stream, read_ahead, session.app().limits.max_message_bytes).await;
            Some((socket, session))
        }
        Err(close) => {
            node.metrics().refused.of(close).add(1);
            tracing::debug!(
                app.key = key,
                origin = handshake.visitor().origin,
                client = handshake.visitor().address.map(tracing::field::display),
                code = close.code(),
                "connection refused: {}",
                close.reason()
            );
            node.turned_away(key.as_deref(), handshake.visitor(), close);
            let last: Vec<_> = farewell(handshake.version(), close).into_iter().chain([Frame::close(close)]).collect();
            socket::hang_up(stream, &last).await;
            None
        }
    }
}

/// Takes the socket back from the HTTP server, with what it had read past the handshake. `None` if the client is gone.
async fn upgraded(upgrade: OnUpgrade) -> Option<(Stream, Bytes)> {
    let upgraded = upgrade.await.ok()?;
    let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<Deadline>>().ok()?;
    Some((io.into_inner().into_inner(), read_buf))
}

fn admit(node: &Node, handshake: &Handshake, key: Option<&str>) -> Result<crate::node::Connection, CloseCode> {
    let key = key.ok_or(CloseCode::PathNotFound)?;
    handshake.check_version(false)?;
    let app = node.app_by_key(key).ok_or(CloseCode::UnknownApp)?;
    if app.features.require_tls && !handshake.is_secure() {
        return Err(CloseCode::TlsRequired);
    }
    handshake.check_version(app.features.strict_protocol)?;
    node.connect(&app, handshake.visitor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Identity;
    use axum::http::header::{CONNECTION, HeaderMap, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
    use axum::http::{HeaderValue, Method};

    /// Every connection carries this future for as long as it lives.
    #[test]
    fn a_connections_future_is_small() {
        let header =
            [(UPGRADE, "websocket"), (CONNECTION, "upgrade"), (SEC_WEBSOCKET_KEY, "x"), (SEC_WEBSOCKET_VERSION, "13")];
        let headers = HeaderMap::from_iter(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
        let handshake = Handshake::read(&Method::GET, &headers, None).expect("a good handshake");
        let node = Arc::new(Node::new(
            Identity::new("test".to_owned(), std::time::SystemTime::UNIX_EPOCH),
            crate::app::Apps::default(),
        ));
        let upgrade = hyper::upgrade::on(axum::http::Request::new(()));
        let size = size_of_val(&serve(node, upgrade, handshake, None));
        assert!(size <= 1024, "{size} bytes");
    }
}
