//! Finds the servers and connects to them.

use super::super::Feed;
use super::plan::{Kind, Plan};
use super::session::{DEADLINE, Server, Session, leads, told};
use super::slots::Slots;
use super::tap::Tap;
use futures_util::future::{pending, select_ok, try_join_all};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, PushInfo, PushKind, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often a Sentinel is asked whether the master is the same.
const WATCH: Duration = Duration::from_secs(1);

impl Plan {
    /// Connects to all servers that a session needs. `known` are servers of a cluster that were there the last time,
    /// which help when those that are configured are gone.
    pub(super) async fn open(&self, feed: &Feed, known: &mut Vec<ConnectionInfo>) -> Result<Session, String> {
        let tap = Arc::new(Tap::new(feed.clone()));
        let (servers, slots, must_lead) = match &self.kind {
            Kind::Single => (vec![self.seeds[0].clone()], None, false),
            Kind::Sentinels(name) => {
                let asked = self.seeds.iter().map(|seed| Box::pin(self.master(seed, name)));
                (vec![select_ok(asked).await?.0], None, true)
            }
            Kind::Cluster => {
                let asked = self.seeds.iter().chain(known.iter()).map(|seed| Box::pin(self.members(seed)));
                let ((slots, servers), _) = select_ok(asked).await?;
                known.clone_from(&servers);
                (servers, Some(slots), false)
            }
        };
        let first = servers[0].clone();
        let servers = try_join_all(servers.into_iter().map(|info| serve(info, &tap))).await?;
        let session = Session { first, servers, slots, tap, must_lead };
        Ok(session)
    }

    /// The master that a Sentinel names, if it says so itself.
    async fn master(&self, sentinel: &ConnectionInfo, name: &str) -> Result<ConnectionInfo, String> {
        let info = self.named(sentinel, name).await?;
        let mut connection = connect(info.clone(), None).await?;
        if !leads(&within(&info, connection.send_packed_command(&redis::cmd("ROLE"))).await?) {
            return Err(format!("{} is not a master, though the Sentinel at {} says so", info.addr(), sentinel.addr()));
        }
        Ok(info)
    }

    /// The master that a Sentinel names.
    async fn named(&self, sentinel: &ConnectionInfo, name: &str) -> Result<ConnectionInfo, String> {
        let mut connection = connect(sentinel.clone(), None).await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let answer = within(sentinel, connection.send_packed_command(&command)).await?;
        let addr = match answer {
            Value::Array(addr) => <[Value; 2]>::try_from(addr).ok(),
            _ => None,
        };
        let addr = addr.and_then(|[host, port]| {
            let text = |value| match value {
                Value::BulkString(text) => String::from_utf8(text).ok(),
                _ => None,
            };
            Some((text(host)?, text(port)?.parse().ok()?))
        });
        let (host, port) =
            addr.ok_or_else(|| format!("the Sentinel at {} knows no master named {name:?}", sentinel.addr()))?;
        Ok(self.server(&host, port))
    }

    /// Returns once a Sentinel names another master than `current`, which takes itself for one until the Sentinels
    /// have told it: for ten seconds and longer, in which nodes at the one would not hear those at the other.
    pub(super) async fn superseded(&self, current: &ConnectionInfo) {
        let Kind::Sentinels(name) = &self.kind else { return pending().await };
        for sentinel in self.seeds.iter().cycle() {
            sleep(WATCH).await;
            if let Ok(info) = self.named(sentinel, name).await
                && info.addr() != current.addr()
                && self.master(sentinel, name).await.is_ok()
            {
                return;
            }
        }
    }

    /// The masters of the cluster that `seed` belongs to.
    async fn members(&self, seed: &ConnectionInfo) -> Result<(Slots, Vec<ConnectionInfo>), String> {
        let mut connection = connect(seed.clone(), None).await?;
        let mut command = redis::cmd("CLUSTER");
        command.arg("INFO");
        // One that is cut off from the others does not know where slots have moved.
        let state = within(seed, connection.send_packed_command(&command)).await?;
        let text = match &state {
            Value::VerbatimString { text, .. } => text.as_bytes(),
            Value::BulkString(text) => text,
            _ => b"",
        };
        if !text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii() == b"cluster_state:ok") {
            return Err(format!("the cluster is not whole, as {} sees it", seed.addr()));
        }
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let answer = within(seed, connection.send_packed_command(&command)).await?;
        let addr = seed.addr().to_string();
        let host = addr.rsplit_once(':').map_or(&*addr, |(host, _)| host);
        let (slots, servers) = Slots::read(&answer, host)?;
        Ok((slots, servers.iter().map(|(host, port)| self.server(host, *port)).collect()))
    }
}

/// Both connections to a server.
async fn serve(info: ConnectionInfo, tap: &Arc<Tap>) -> Result<Server, String> {
    let (keys, topics) = tokio::try_join!(connect(info.clone(), Some((tap, false))), connect(info, Some((tap, true))))?;
    Ok(Server { keys, topics })
}

/// A connection, whose end, and whose messages if so wished, the tap hears of.
async fn connect(info: ConnectionInfo, tap: Option<(&Arc<Tap>, bool)>) -> Result<MultiplexedConnection, String> {
    // Deadlines are the session's.
    let mut config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    if let Some((tap, messages)) = tap {
        let tap = tap.clone();
        config = config.set_push_sender(move |push: PushInfo| {
            if messages || push.kind == PushKind::Disconnection {
                tap.take(push);
            }
            Ok::<_, redis::aio::SendError>(())
        });
    }
    let client = Client::open(info.clone()).map_err(|error| told(&error))?;
    within(&info, client.get_multiplexed_async_connection_with_config(&config)).await
}

/// What a server answers in time.
async fn within<T>(info: &ConnectionInfo, answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, String> {
    match timeout(DEADLINE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{}: {}", info.addr(), told(&error))),
        Err(_) => Err(format!("{}: no answer for {} s", info.addr(), DEADLINE.as_secs())),
    }
}
