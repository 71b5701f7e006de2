//! Hands what the node says to the bus, in order, until the bus has taken it or refuses it.

use super::complaint::Complaint;
use super::kept;
use super::message::{Keep, Message};
use super::outgoing::Repeating;
use super::wire::Said;
use super::{Cluster, Shared};
use crate::broker::{Error, Topic};
use bytes::Bytes;
use futures_util::future::join_all;
use std::future::poll_fn;
use std::time::Duration;
use tokio::time::sleep;

/// Between two tries to hand over what the bus has not taken.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// The task.
#[derive(Debug)]
pub struct Sending {
    cluster: Cluster,
    /// That the bus does not keep something, and that it does not take something: one that is full refuses everything.
    not_kept: Complaint,
    not_taken: Complaint,
}

impl Sending {
    /// The task of `cluster`.
    pub fn new(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone(), not_kept: Complaint::default(), not_taken: Complaint::default() }
    }

    /// Hands over for as long as the node runs.
    pub async fn run(mut self) {
        let cluster = self.cluster.clone();
        let outgoing = &cluster.0.outgoing;
        loop {
            poll_fn(|cx| outgoing.poll_ready(cx)).await;
            if let Some(Repeating { nodes, incomplete }) = outgoing.repeated() {
                cluster.tell(Said::Repeated { nodes, complete: !incomplete });
            }
            let batch = outgoing.batch(super::now(), |age, message| again(&cluster, age, message));
            // Kept before it is published: who subscribes in between finds it, and knows it again when it comes.
            let kept = self.keep(&batch.keeps).await;
            let published = if kept { cluster.0.broker.publish(&batch.messages).await } else { Err(Error::Down) };
            if let Err(Error::Refused(_)) = published {
                self.publish_singly(&batch.messages).await;
            }
            if published == Err(Error::Down) {
                outgoing.unsent(batch);
                sleep(TRY_AGAIN).await;
            } else {
                outgoing.sent(batch, super::now());
            }
        }
    }

    /// Whether the bus could be asked to keep all of it. What it refuses is not kept.
    async fn keep(&mut self, keeps: &[(Keep, Bytes)]) -> bool {
        let Shared { broker, settings, .. } = &*self.cluster.0;
        let keep = keeps.iter().map(|(keep @ Keep { key, ttl }, bytes)| async move {
            (key, broker.remember(key, &kept::write(keep, bytes, settings.key.as_ref()), *ttl).await)
        });
        let mut is_up = true;
        for (key, done) in join_all(keep).await {
            match done {
                Ok(()) => {}
                Err(Error::Down) => is_up = false,
                Err(Error::Refused(why)) => {
                    self.cluster.0.metrics.bus_refused_total.add(1);
                    if self.not_kept.is_due() {
                        let key = key.as_str();
                        tracing::error!(
                            key,
                            "the bus does not keep a cache channel's event (told once a minute): {why}"
                        );
                    }
                }
            }
        }
        is_up
    }

    /// Hands messages over one by one, because the bus refuses one of them.
    async fn publish_singly(&mut self, messages: &[(Topic, Bytes)]) {
        for message in messages {
            loop {
                match self.cluster.0.broker.publish(std::slice::from_ref(message)).await {
                    Ok(()) => break,
                    Err(Error::Down) => sleep(TRY_AGAIN).await,
                    Err(Error::Refused(why)) => {
                        self.cluster.0.metrics.bus_refused_total.add(1);
                        if self.not_taken.is_due() {
                            let (topic, bytes) = (message.0.as_str(), message.1.len());
                            tracing::error!(
                                topic,
                                bytes,
                                "the bus does not take an event for other nodes (told once a minute): {why}"
                            );
                        }
                        break;
                    }
                }
            }
        }
    }
}

/// What was said before, in an envelope that says so: the number that counts is the one inside.
fn again(cluster: &Cluster, age: Duration, Message { topic, bytes, .. }: &Message) -> Bytes {
    cluster.envelope(0, topic, Said::Again { age, envelope: bytes.clone() })
}
