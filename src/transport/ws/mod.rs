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
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// What upgrades need.
#[derive(Clone, Debug)]
pub struct Upgrades {
    /// Where connections are admitted.
    pub node: Arc<Node>,
    /// Counts connections' tasks, so that a stop can wait for them. Once it is closed, no more are taken.
    pub tasks: TaskTracker,
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
            Err(refused) => return refused,
        };
        if self.tasks.is_closed() {
            return (StatusCode::SERVICE_UNAVAILABLE, "The server is stopping: connect again\n").into_response();
        }
        let upgrade = hyper::upgrade::on(&mut request);
        let response = handshake.response();
        self.tasks.spawn(serve(self.node.clone(), upgrade, handshake, key));
        response
    }
}

/// The life of one connection, from its upgrade to its end.
async fn serve(node: Arc<Node>, upgrade: OnUpgrade, handshake: Handshake, key: Option<String>) {
    let Some((stream, read_ahead)) = upgraded(upgrade).await else { return };
    match admit(&node, &handshake, key.as_deref()) {
        Ok(connection) => {
            let version = handshake.version();
            drop((handshake, key));
            socket::run(stream, read_ahead, Session::new(node, connection, version)).await;
        }
        Err(close) => {
            tracing::debug!(
                app.key = key,
                origin = handshake.origin(),
                code = close.code(),
                "connection refused: {}",
                close.reason()
            );
            let farewell = farewell(handshake.version(), close);
            socket::hang_up(stream, farewell, Frame::close(close)).await;
        }
    }
}

/// Takes the socket back from the HTTP server, with what it had read past the handshake. `None` if the client is gone.
async fn upgraded(upgrade: OnUpgrade) -> Option<(TcpStream, Bytes)> {
    let upgraded = upgrade.await.ok()?;
    let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((io.into_inner(), read_buf))
}

fn admit(node: &Node, handshake: &Handshake, key: Option<&str>) -> Result<crate::node::Connection, CloseCode> {
    let key = key.ok_or(CloseCode::PathNotFound)?;
    if !handshake.is_supported() {
        return Err(CloseCode::UnsupportedVersion);
    }
    let app = node.app_by_key(key).ok_or(CloseCode::UnknownApp)?;
    node.connect(app, handshake.origin())
}
