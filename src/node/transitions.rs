//! What becomes of channels, for webhooks to tell of.

use super::{Event, Gap, Node, Transition};
use crate::app::App;
use crate::webhooks::ClientEvent;
use std::task::{Context, Poll};

/// What has become of an app's channels.
#[derive(Debug)]
pub struct News {
    /// The app's id.
    pub app: String,
    /// What has become of them, in order.
    pub transitions: Vec<Transition>,
    /// How all of them stand after that, if some of it is not known, and why it is not.
    pub standing: Option<(Gap, Standing)>,
}

/// How channels stand: each with the number of its subscribers, and its members.
pub type Standing = Vec<(String, usize, Vec<String>)>;

impl Node {
    /// Ready once something has become of channels that webhooks tell of, of the apps that there are now.
    pub fn poll_transitions(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = Poll::Pending;
        for hub in self.hubs.all().values() {
            if hub.poll_transitions(cx).is_ready() {
                ready = Poll::Ready(());
            }
        }
        ready
    }

    /// Has how all channels of an app stand told with what becomes of them next. Whoever polls has not polled the hub of an
    /// app that is new.
    pub fn ask_standing(&self, app: &str) {
        self.hubs.get(app).iter().for_each(|hub| hub.ask_standing());
    }

    /// What has become of channels since the last time, by app.
    pub fn transitions(&self) -> Vec<News> {
        let mut all = Vec::new();
        for (app, hub) in self.hubs.all().iter() {
            let (transitions, gap) = hub.transitions();
            if !transitions.is_empty() || gap.is_some() {
                let standing = gap.map(|gap| {
                    let plain = |(channel, count, users): (
                        crate::protocol::ChannelName,
                        usize,
                        Vec<crate::protocol::UserId>,
                    )| {
                        let users = users.iter().map(|user| user.as_str().to_owned()).collect();
                        (channel.as_str().to_owned(), count, users)
                    };
                    (gap, hub.standing().into_iter().map(plain).collect())
                });
                all.push(News { app: app.clone(), transitions, standing });
            }
        }
        all
    }

    /// Has webhooks tell what a client said.
    pub(super) fn tell_of_client_event(&self, app: &App, event: &Event<'_>) {
        let (Some(webhooks), Some(socket)) = (self.webhooks(), event.except) else { return };
        if webhooks.want_client_events(&app.id, event.channel.as_str()) {
            let said = ClientEvent {
                event: event.name.to_owned(),
                data: event.data.to_owned(),
                socket_id: socket.to_string(),
                user_id: event.user_id.map(|user| user.as_str().to_owned()),
            };
            webhooks.said(&app.id, event.channel.as_str(), said);
        }
    }
}
