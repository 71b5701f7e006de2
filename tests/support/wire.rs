//! A WebSocket client that hides nothing.

use super::PATIENCE;
use super::nodes::{Place, Visit};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) socket_id: String,
    /// What `connection_established` said.
    pub(crate) established: Value,
    /// An event that is read over, for servers may send it to whoever has not asked.
    pub(crate) skips: Option<&'static str>,
    visit: Visit,
}

impl Client {
    /// Connects and reads the first frame, which must be `connection_established`.
    pub(crate) async fn connect(place: impl Into<Place>, path: &str) -> Self {
        let mut client = Self::open(place, path).await;
        client.greeted().await;
        client
    }

    /// Reads the first frame, which must be `connection_established`.
    pub(crate) async fn greeted(&mut self) {
        let frame = self.next().await;
        assert_eq!(frame["event"], "pusher:connection_established", "{frame}");
        self.established = data(&frame);
        self.socket_id = self.established["socket_id"].as_str().unwrap().to_owned();
    }

    /// Connects and reads nothing.
    pub(crate) async fn open(place: impl Into<Place>, path: &str) -> Self {
        let place = place.into();
        let url = format!("ws://{place}{path}");
        Self::request(place, url.into_client_request().unwrap()).await
    }

    pub(crate) async fn request(place: impl Into<Place>, request: Request) -> Self {
        let place = place.into();
        let (address, visit) = (place.address, place.visit());
        visit.settle(false).await;
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = timeout(PATIENCE, client_async(request, stream)).await.unwrap().unwrap();
        Self { socket, socket_id: String::new(), established: Value::Null, skips: None, visit }
    }

    pub(crate) async fn message(&mut self) -> Message {
        let message = timeout(PATIENCE, self.socket.next()).await.expect("nothing came");
        self.visit.changed();
        message.expect("closed").unwrap()
    }

    /// The next text frame, which must be an object with an event (CON-26).
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    assert!(frame["event"].is_string(), "{text}");
                    if self.skips.is_none_or(|event| frame["event"] != event) {
                        return frame;
                    }
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected a text frame, got {other:?}"),
            }
        }
    }

    /// Reads until the close frame and returns its code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.message().await {
                let frame = frame.expect("a close frame with a code");
                assert!(!(4300..4400).contains(&u16::from(frame.code)), "{frame}");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    /// Sends a text, once all that was done before is known to all nodes.
    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.visit.settle(false).await;
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.text(frame.to_string()).await;
    }

    /// Sends and returns the next frame.
    pub(crate) async fn ask(&mut self, frame: &Value) -> Value {
        self.send(frame).await;
        self.next().await
    }

    /// Goes without a word, once all that was done before is known to all nodes.
    pub(crate) async fn lose(self) {
        self.visit.settle(false).await;
    }

    /// Closes as a client does and waits for the echo.
    pub(crate) async fn close(mut self) {
        self.visit.settle(false).await;
        self.socket.close(None).await.unwrap();
        while timeout(PATIENCE, self.socket.next()).await.unwrap().is_some_and(|message| message.is_ok()) {}
    }
}

/// The JSON in a frame's `data` string.
pub(crate) fn data(frame: &Value) -> Value {
    serde_json::from_str(frame["data"].as_str().unwrap()).unwrap()
}
