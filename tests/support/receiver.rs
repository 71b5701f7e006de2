//! A back end that webhooks are sent to: it notes every request as it came, and answers as it is told to. It has a thread
//! of its own, so that it answers also while a test waits for its server to stop.

use super::PATIENCE;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// More than any request has.
const MOST_BYTES: u64 = 4 << 20;
/// More than any test makes on one connection.
const MOST_REQUESTS: usize = 100_000;

/// The back end. It ends when it is dropped, and closes its connections.
pub(crate) struct Receiver {
    address: SocketAddr,
    pub(crate) seen: watch::Receiver<Seen>,
    script: Script,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What has come so far.
#[derive(Default)]
pub(crate) struct Seen {
    /// Connections that were opened.
    pub(crate) connections: usize,
    /// Those of them that whoever sends has closed.
    pub(crate) left: usize,
    pub(crate) requests: Vec<Request>,
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Request {
    /// The how manieth connection it came on, from 1 on.
    pub(crate) connection: usize,
    /// When its last byte had come.
    pub(crate) at: Instant,
    /// The request line and the headers, each line with its end.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What becomes of a request.
#[derive(Clone)]
pub(crate) struct Reply {
    /// What is said, which need not be a whole answer.
    pub(crate) text: String,
    /// After how long.
    pub(crate) after: Duration,
    /// Whether the connection ends then.
    pub(crate) closes: bool,
}

/// What becomes of the next requests; of all that follow the last one, the same.
type Script = Arc<Mutex<VecDeque<Reply>>>;

impl Reply {
    /// An answer without a body.
    pub(crate) fn status(status: u16) -> Self {
        let length = if status == 204 { "" } else { "Content-Length: 0\r\n" };
        Self { text: format!("HTTP/1.1 {status} Status\r\n{length}\r\n"), after: Duration::ZERO, closes: false }
    }

    /// None, on a connection that stays open.
    pub(crate) fn never() -> Self {
        Self { after: Duration::MAX, ..Self::status(200) }
    }
}

impl Request {
    /// The value of a header, as it was sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The events in it.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.json()["events"].as_array().unwrap_or_else(|| panic!("no events in {self:?}")).clone()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {:?} {}", self.connection, self.head, String::from_utf8_lossy(&self.body))
    }
}

impl Receiver {
    /// One that answers everything with 200, until it is told otherwise.
    pub(crate) fn start() -> Self {
        let (seeing, seen) = watch::channel(Seen::default());
        let script = Script::new(Mutex::new(VecDeque::from([Reply::status(200)])));
        let (stop, stopped) = oneshot::channel();
        let (started, start) = std::sync::mpsc::channel();
        let told = script.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let seeing = Arc::new(seeing);
                started.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = accept(&listener, &seeing, &told) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: start.recv().unwrap(), seen, script, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Answers the next requests so, one after the other, and all after them like the last.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Reply>) {
        let answers: VecDeque<_> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "there is nothing to answer with");
        *self.script.lock() = answers;
    }

    /// What has come so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.borrow().requests.clone()
    }

    /// What has come once there are so many.
    pub(crate) async fn reaches(&self, count: usize) -> Vec<Request> {
        self.until(&format!("request {count}"), |requests| requests.len() >= count).await
    }

    /// Every event that has come, once this one has.
    pub(crate) async fn hears(&self, event: &Value) -> Vec<Value> {
        let has = |requests: &[Request]| requests.iter().any(|request| request.events().contains(event));
        let requests = self.until(&event.to_string(), has).await;
        requests.iter().flat_map(Request::events).collect()
    }

    /// What has come once it is such.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let mut seen = self.seen.clone();
        let came = timeout(PATIENCE, seen.wait_for(|seen| holds(&seen.requests))).await;
        match came.map(|came| came.expect("the receiver lives").requests.clone()) {
            Ok(requests) => requests,
            Err(_) => panic!("{what} never came, but {:#?}", self.requests()),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the receiver does not panic");
            }
        }
    }
}

async fn accept(listener: &TcpListener, seeing: &Arc<watch::Sender<Seen>>, script: &Script) {
    // They end with this.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut connection = 0;
        seeing.send_modify(|seen| {
            seen.connections += 1;
            connection = seen.connections;
        });
        let (seeing, script) = (seeing.clone(), script.clone());
        connections.spawn(async move {
            // Whoever sends may go at any time.
            let _ = serve(stream, connection, &seeing, &script).await;
            seeing.send_modify(|seen| seen.left += 1);
        });
    }
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    seeing: &watch::Sender<Seen>,
    script: &Mutex<VecDeque<Reply>>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    for _ in 0..MOST_REQUESTS {
        let (head, body) = read(&mut stream).await?;
        let answer = {
            let mut script = script.lock();
            let next = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
            next.expect("a script always says something")
        };
        let request = Request { connection, at: Instant::now(), head, body };
        seeing.send_modify(|seen| seen.requests.push(request));
        sleep(answer.after).await;
        stream.get_mut().write_all(answer.text.as_bytes()).await?;
        if answer.closes {
            break;
        }
    }
    Ok(())
}

/// The next request's head and body. Fails at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<(String, Vec<u8>)> {
    let mut stream = stream.take(MOST_BYTES);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: Option<usize> = length.map(|(_, value)| value.trim().parse().expect("a length")).next();
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}
