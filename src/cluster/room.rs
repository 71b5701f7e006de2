//! What the bus takes in one message: NATS has a `max_payload`, 1 MiB unless it is set.

use super::Cluster;
use super::complaint::Complaint;
use super::wire::Told;
use crate::hub::Fact;

/// More than a message takes besides its facts.
pub(super) const ENVELOPE: usize = 64;
/// More than an event takes besides its data, or a member besides the info: names, ids and an envelope.
const NAMES: usize = 2048;

impl Cluster {
    /// Bytes of facts that the bus takes in one message.
    pub(super) fn room(&self) -> usize {
        self.0.broker.max_bytes().saturating_sub(ENVELOPE)
    }

    /// Warns where an app may have what the bus does not take. To be called when the link comes up.
    pub(super) fn warn_of_limits(&self) {
        let max_bytes = self.0.broker.max_bytes();
        for (app, hub) in self.0.hubs.all().iter() {
            let limits = &hub.app().limits;
            for (limit, bytes) in [
                ("max_event_data_bytes", limits.max_event_data_bytes),
                ("max_user_info_bytes", limits.max_user_info_bytes),
            ] {
                if bytes.saturating_add(NAMES) > max_bytes {
                    tracing::warn!(
                        app.id = app,
                        "the bus takes messages of {max_bytes} bytes, and limits.{limit} is {bytes}: what is larger \
                         does not reach other nodes. Lower the limit, or raise max_payload in the NATS server's \
                         configuration"
                    );
                }
            }
        }
    }
}

/// Leaves out what is too large for the bus: others do without it, rather than without all that is told with it.
pub(super) fn fitting(told: Vec<Told>, room: usize, complaint: &mut Complaint) -> Vec<Told> {
    let fits = |told: &Told| {
        let fits = told.size() <= room;
        if !fits && complaint.is_due() {
            let channel = match &told.fact {
                Fact::Member { channel, .. } | Fact::Connections { channel, .. } => Some(channel.as_str()),
                Fact::User { .. } | Fact::App(_) => None,
            };
            tracing::error!(
                app.id = told.app,
                channel,
                bytes = told.size(),
                "a member is too large for the bus, which takes {room} bytes, and so unknown to other nodes (told once \
                 a minute): lower limits.max_user_info_bytes, or raise max_payload in the NATS server's configuration"
            );
        }
        fits
    };
    told.into_iter().filter(fits).collect()
}
