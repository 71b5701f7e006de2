//! Hands to the library what a connection is to send.

use super::DEADLINE;
use crate::broker::Topic;
use async_nats::{Client, Subscriber};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Asks that are taken at a time, with one round trip for all of them.
const TAKE: usize = 1024;

/// What the writer sends, in order.
pub(super) enum Write {
    Subscribe(Topic, u64),
    /// A round trip with this number.
    Ping(u64),
}

/// What the writer has got.
pub(super) enum Made {
    Inbox(Subscriber),
    Topic(Topic, u64, Subscriber),
}

/// Hands to the library what is to be sent, which may have to wait while messages must still be taken. Ends when the
/// server takes nothing for too long.
pub(super) async fn write(
    client: Client,
    mut writes: mpsc::UnboundedReceiver<Write>,
    made: mpsc::UnboundedSender<Made>,
) {
    let address = client.new_inbox();
    let Ok(Ok(inbox)) = timeout(DEADLINE, client.subscribe(address.clone())).await else { return };
    if made.send(Made::Inbox(inbox)).is_err() {
        return;
    }
    let mut taken = Vec::new();
    while writes.recv_many(&mut taken, TAKE).await > 0 {
        let mut last = None;
        for write in taken.drain(..) {
            match write {
                Write::Ping(number) => last = Some(number),
                Write::Subscribe(topic, number) => {
                    let subscribed = timeout(DEADLINE, client.subscribe(topic.as_str().to_owned())).await;
                    let Ok(Ok(subscriber)) = subscribed else { return };
                    if made.send(Made::Topic(topic, number, subscriber)).is_err() {
                        return;
                    }
                }
            }
        }
        let Some(number) = last else { continue };
        let number = Bytes::copy_from_slice(&number.to_be_bytes());
        let Ok(Ok(())) = timeout(DEADLINE, client.publish(address.clone(), number)).await else { return };
    }
}
