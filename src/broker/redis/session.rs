//! Connections that serve until the first fault of any of them.

use super::super::{Error, Topic};
use super::fault::Fault;
use super::slots::Slots;
use super::tap::Tap;
use super::topics::Round;
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long Redis may be silent to a question.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// How many such times an answer may stay out while other things arrive before it.
const PATIENCE: usize = 5;
/// How often a connection is asked whether it lives.
const PROBE: Duration = Duration::from_secs(1);
/// What one pipeline carries at most of payloads, unless one alone is larger.
const BATCH_BYTES: usize = 1 << 20;
/// What one pipeline carries at most of commands.
const BATCH: usize = 1000;

/// Connections to one server: a flood of what is published does not delay what is subscribed, nor the other way.
pub(super) struct Server {
    pub(super) keys: MultiplexedConnection,
    pub(super) topics: MultiplexedConnection,
}

/// All connections at one time.
pub(super) struct Session {
    /// Where the first server is.
    pub(super) first: ConnectionInfo,
    pub(super) servers: Vec<Server>,
    /// Of a cluster.
    pub(super) slots: Option<Slots>,
    pub(super) tap: Arc<Tap>,
    /// Whether the server must say that it is a master still.
    pub(super) must_lead: bool,
}

impl Session {
    pub(super) fn fault(&self) -> &Fault {
        &self.tap.fault
    }

    /// Hands payloads over, in order, and returns when Redis has taken all of them.
    pub(super) async fn publish(&self, batch: &[(Topic, Bytes)]) -> Result<(), Error> {
        let mut rest = batch;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |(_, payload): &&(Topic, Bytes)| {
                bytes += payload.len();
                bytes <= BATCH_BYTES
            };
            let count = rest.iter().take(BATCH).take_while(fits).count().max(1);
            let mut pipelines = HashMap::<usize, Pipeline>::new();
            for (topic, payload) in &rest[..count] {
                let command = if self.slots.is_some() { "SPUBLISH" } else { "PUBLISH" };
                pipelines.entry(self.at(topic)).or_default().cmd(command).arg(topic.as_str()).arg(&payload[..]);
            }
            let sent = pipelines.iter().map(|(at, pipeline)| self.send(&self.servers[*at].keys, pipeline));
            for answer in try_join_all(sent).await?.into_iter().flatten() {
                answer?;
            }
            rest = &rest[count..];
        }
        Ok(())
    }

    pub(super) async fn remember(&self, key: &Topic, value: &Bytes, ttl: Duration) -> Result<(), Error> {
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 53);
        let mut set = redis::cmd("SET");
        set.arg(key.as_str()).arg(&value[..]).arg("PX").arg(ttl);
        self.ask(&self.servers[self.at(key)].keys, &set).await.map(drop)
    }

    pub(super) async fn recall(&self, key: &Topic) -> Result<Option<Bytes>, Error> {
        let mut get = redis::cmd("GET");
        get.arg(key.as_str());
        match self.ask(&self.servers[self.at(key)].keys, &get).await? {
            Value::BulkString(value) => Ok(Some(value.into())),
            Value::Nil => Ok(None),
            _ => Err(Error::Refused("what is kept there is not a string".to_owned())),
        }
    }

    /// Subscribes and unsubscribes. What came of each that was to be subscribed; an error is the end of the session.
    pub(super) async fn round(&self, round: Round) -> Result<Vec<(Topic, Result<(), Error>)>, Error> {
        let sharded = self.slots.is_some();
        let mut asked: Vec<(Vec<Topic>, Vec<Topic>)> = self.servers.iter().map(|_| Default::default()).collect();
        for topic in round.unsubscribe {
            asked[self.at(&topic)].0.push(topic);
        }
        for topic in round.subscribe {
            asked[self.at(&topic)].1.push(topic);
        }
        let servers = self.servers.iter().zip(asked).map(|(server, (unsubscribe, subscribe))| async move {
            let ends = async {
                for topics in unsubscribe.chunks(BATCH) {
                    self.tap.expect_ends(topics.len());
                    let command = if sharded { "SUNSUBSCRIBE" } else { "UNSUBSCRIBE" };
                    for answer in self.send_all(&server.topics, command, topics).await? {
                        answer?;
                    }
                }
                Ok(())
            };
            let begins = async {
                let mut answers = Vec::with_capacity(subscribe.len());
                for topics in subscribe.chunks(BATCH) {
                    let command = if sharded { "SSUBSCRIBE" } else { "SUBSCRIBE" };
                    answers.extend(self.send_all(&server.topics, command, topics).await?);
                }
                Ok(answers)
            };
            // No topic is among both. One does not wait for the other, as the way to the server may be long.
            let ((), answers) = tokio::try_join!(ends, begins)?;
            Ok(subscribe.into_iter().zip(answers).collect::<Vec<_>>())
        });
        let mut answers = Vec::new();
        for server in join_all(servers).await {
            answers.extend(server?);
        }
        // What was ended behind our back may have been taken for an acknowledgement.
        if self.fault().is_set() { Err(Error::Down) } else { Ok(answers) }
    }

    /// Asks every connection again and again whether it lives. Returns when one does not.
    pub(super) async fn probe(&self) {
        let mut due = interval(PROBE);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            if self.check().await.is_err() {
                return;
            }
        }
    }

    /// Asks every connection whether it lives. An error is the end of the session.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let ping = redis::cmd("PING");
        let checks = self.servers.iter().map(|server| async {
            let keys = async {
                if !self.must_lead {
                    return alive(&self.ask(&server.keys, &ping).await);
                }
                if !leads(&self.ask(&server.keys, &redis::cmd("ROLE")).await?) {
                    self.fault().set("it is no longer the master");
                }
                Ok(())
            };
            let topics = async {
                let mut topics = server.topics.clone();
                let answer = self.in_time(topics.send_packed_command(&ping), PATIENCE).await?;
                alive(&self.judge(answer))
            };
            tokio::try_join!(keys, topics).map(drop)
        });
        if let Err(Error::Refused(text)) = try_join_all(checks).await {
            self.fault().set(&text);
        }
        if self.fault().is_set() { Err(Error::Down) } else { Ok(()) }
    }

    /// The number of the server for a channel or key.
    pub(super) fn at(&self, name: &Topic) -> usize {
        self.slots.as_ref().map_or(0, |slots| slots.server(name.as_str().as_bytes()))
    }

    /// What the server answers to one command.
    pub(super) async fn ask(&self, connection: &MultiplexedConnection, command: &Cmd) -> Result<Value, Error> {
        let mut connection = connection.clone();
        let answer = self.in_time(connection.send_packed_command(command), 1).await?;
        self.judge(answer)
    }

    async fn send(
        &self,
        connection: &MultiplexedConnection,
        pipeline: &Pipeline,
    ) -> Result<Vec<Result<Value, Error>>, Error> {
        let mut connection = connection.clone();
        let answers = self.in_time(connection.send_packed_commands(pipeline, 0, pipeline.len()), 1).await?;
        Ok(answers.into_iter().map(|answer| self.judge(answer)).collect())
    }

    /// A command for each topic, so that each is refused for itself.
    async fn send_all(
        &self,
        connection: &MultiplexedConnection,
        command: &str,
        topics: &[Topic],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let mut pipeline = Pipeline::new();
        for topic in topics {
            pipeline.cmd(command).arg(topic.as_str());
        }
        let mut connection = connection.clone();
        let answers = self.in_time(connection.send_packed_commands(&pipeline, 0, topics.len()), PATIENCE).await?;
        Ok(answers.into_iter().map(|answer| self.judge(answer).map(drop)).collect())
    }

    /// Waits for an answer while the session lasts; its absence ends the session. With `patience` above 1 the answer
    /// may be late as long as other things arrive.
    async fn in_time<T>(&self, answer: impl Future<Output = RedisResult<T>>, patience: usize) -> Result<T, Error> {
        let wait = async {
            let mut answer = std::pin::pin!(answer);
            for _ in 0..patience {
                let heard = self.tap.heard();
                if let Ok(answer) = timeout(DEADLINE, &mut answer).await {
                    return Some(answer);
                }
                if heard == self.tap.heard() {
                    break;
                }
            }
            None
        };
        let answer = tokio::select! {
            biased;
            answer = wait => answer,
            _ = self.fault().wait() => return Err(Error::Down),
        };
        match answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(self.verdict(&error)),
            None => {
                self.fault().set(&format!("no answer for {} s", DEADLINE.as_secs()));
                Err(Error::Down)
            }
        }
    }

    /// The answer, unless it is an error.
    fn judge(&self, answer: Value) -> Result<Value, Error> {
        answer.extract_error().map_err(|error| self.verdict(&error))
    }

    /// What an error means: either this command is refused, or the whole session is of no use.
    fn verdict(&self, error: &RedisError) -> Error {
        let from_server = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
        let elsewhere = ["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "LOADING", "NOAUTH"];
        let text = told(error);
        if from_server && !error.code().is_some_and(|code| elsewhere.contains(&code)) {
            return Error::Refused(text);
        }
        self.fault().set(&text);
        Error::Down
    }
}

/// Who refuses to answer lives.
fn alive(answer: &Result<Value, Error>) -> Result<(), Error> {
    match answer {
        Err(Error::Down) => Err(Error::Down),
        _ => Ok(()),
    }
}

/// An error's text, which comes from outside: on one line, and not longer than a line.
pub(super) fn told(error: &RedisError) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Whether the answer to `ROLE` is a master's.
pub(super) fn leads(answer: &Value) -> bool {
    matches!(answer, Value::Array(role) if matches!(role.first(), Some(Value::BulkString(name)) if name == b"master"))
}
