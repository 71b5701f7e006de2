//! A round trip: what is published arrives, and how long that takes.
//!
//! Must not know: what is between here and the server.

use super::super::client::Question;
use super::super::place::Server;
use super::super::pusher::{Ended, Pusher, inner};
use super::{Report, Site};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);
const EVENT: &str = "fanfare-doctor";

/// Subscribes to a private channel of its own, publishes to it, and waits for the event.
pub(super) async fn take(site: &Site<'_>, server: &Server, mut pusher: Pusher, report: &mut Report) {
    let place = site.target.address.to_string();
    let channel = format!("private-fanfare-doctor-{}", pusher.socket_id.replace('.', "-"));
    let trip = async {
        pusher.subscribe(site.app, &channel, None).await.map_err(|ended| ended.to_string())?;
        until(&mut pusher, "pusher_internal:subscription_succeeded").await?;
        let body = json!({ "name": EVENT, "channel": channel, "data": "{}" }).to_string();
        let app = Some(site.app.id.as_str());
        let start = Instant::now();
        let question = Question { server, app, route: "/events", parameters: &[], body: Some(&body) };
        question.ask().await.map_err(|failure| failure.to_string())?;
        until(&mut pusher, EVENT).await?;
        Ok::<_, String>(start.elapsed())
    };
    match timeout(PATIENCE, trip).await {
        Ok(Ok(took)) => {
            let what = format!("an event arrives {:.1} ms after it is published", took.as_secs_f64() * 1000.0);
            report.ok("round-trip", what);
        }
        Ok(Err(why)) => {
            report.wrong("round-trip", why, &place, "see the server's log, with --debug if need be");
        }
        Err(_) => {
            let what = format!("an event that was published did not arrive within {} s", PATIENCE.as_secs());
            let fix = "if there are several servers, see `fanfare nodes`: they must share a bus";
            report.wrong("round-trip", what, &place, fix);
        }
    }
}

/// Reads until the event comes; a refusal is an error.
async fn until(pusher: &mut Pusher, name: &str) -> Result<(), String> {
    loop {
        let event = pusher.next().await.map_err(|ended: Ended| ended.to_string())?;
        match event.event.as_str() {
            found if found == name => return Ok(()),
            "pusher:subscription_error" | "pusher:error" => {
                return Err(format!("the server refuses: {}", inner(&event.data)));
            }
            _ => {}
        }
    }
}
