//! `Idempotency-Key`: a publish that is sent again, because its answer was lost, is answered again and not published
//! again. Ours, not Pusher's.
//!
//! Must not know: what the requests do.

use super::answer::Answer;
use super::signed::SignedRequest;
use super::{Api, ApiError};
use crate::app::App;
use crate::expiring::Expiring;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use futures_util::FutureExt;
use futures_util::future::Shared;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The header's name.
pub(super) const HEADER: &str = "idempotency-key";
/// How long an answer is remembered.
const TTL: Duration = Duration::from_secs(300);
/// Size of the answers that are remembered for one app, with their keys.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The longest key.
const MAX_KEY: usize = 255;

type Outcome = Result<Answer, ApiError>;
/// Says which request it was: two with the same digest are the same.
type Digest256 = [u8; 32];

/// A request's key, if it has one.
pub(super) struct Keyed(Option<Sent>);

struct Sent {
    key: Result<String, ApiError>,
    /// Has taken in everything that says which request it is but the body.
    digest: Sha256,
}

/// The keyed requests of every app by its id. Only apps that exist get here, so there are no more than those.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<String, Requests>>);

/// The keyed requests of one app.
#[derive(Debug)]
struct Requests {
    answered: Expiring<String, Answered>,
    /// As many as are being carried out at this time.
    running: HashMap<String, Running>,
    warned: bool,
}

#[derive(Debug)]
struct Answered {
    digest: Digest256,
    answer: Answer,
}

#[derive(Debug)]
struct Running {
    digest: Digest256,
    outcome: Shared<oneshot::Receiver<Outcome>>,
}

/// What is known of a keyed request.
enum Found {
    /// It has been answered.
    Answered(Answer),
    /// It is being carried out.
    Running(Shared<oneshot::Receiver<Outcome>>),
    /// It is new: whoever asked carries it out.
    New(Place, oneshot::Sender<Outcome>),
}

/// A request's place among those that are being carried out; dropping it gives the place up.
struct Place {
    memory: Arc<Memory>,
    app: Arc<App>,
    key: String,
    digest: Digest256,
}

/// Carries `request` out, unless one with the same key has been answered or is on its way: then this is its answer
/// too. A refused request is not remembered, since nothing of it has been done.
pub(super) async fn once<F, Work>(api: Api, keyed: Keyed, request: SignedRequest, work: F) -> Outcome
where
    F: FnOnce(Api, SignedRequest) -> Work,
    Work: Future<Output = Outcome> + Send + 'static,
{
    let Some(Sent { key, digest }) = keyed.0 else { return work(api, request).await };
    let digest = digest.chain_update(&request.body).finalize().into();
    let (memory, app) = (api.memory.clone(), request.app.clone());
    memory.carry_out(&app, key?, digest, work(api, request)).await
}

impl FromRequestParts<Api> for Keyed {
    type Rejection = Infallible;

    /// A malformed key is told by [`once`], after the signature has been judged.
    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Infallible> {
        let Some(key) = read_key(&parts.headers) else { return Ok(Self(None)) };
        let mut digest = Sha256::new().chain_update(parts.uri.path());
        // What a retry signs anew says nothing about which request it is.
        let renewed = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
            name.starts_with("auth_") || name == "body_md5"
        };
        for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !renewed(pair)) {
            digest.update("&");
            digest.update(pair);
        }
        Ok(Self(Some(Sent { key, digest: digest.chain_update("\n") })))
    }
}

/// The key among `headers`, if there is one.
pub(super) fn read_key(headers: &HeaderMap) -> Option<Result<String, ApiError>> {
    let mut values = headers.get_all(HEADER).iter();
    let value = values.next()?;
    let printable = |key: &&str| key.bytes().all(|b| (b' '..=b'~').contains(&b));
    Some(match value.to_str().ok().filter(printable) {
        Some(key) if (1..=MAX_KEY).contains(&key.len()) && values.next().is_none() => Ok(key.to_owned()),
        _ => Err(ApiError::bad_request(format!(
            "Invalid Idempotency-Key: it must be one header of 1 to {MAX_KEY} printable ASCII characters"
        ))),
    })
}

impl Memory {
    /// Does `work` if the request is new.
    async fn carry_out(
        self: &Arc<Self>,
        app: &Arc<App>,
        key: String,
        digest: Digest256,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> Outcome {
        let (place, tell) = match self.find(app, key, digest, Instant::now())? {
            Found::Answered(answer) => return Ok(answer),
            Found::Running(outcome) => return outcome.await.unwrap_or_else(|_| Err(ApiError::broke_off())),
            Found::New(place, tell) => (place, tell),
        };
        // In a task of its own: a client that hangs up ends its request's future, and half of a publish could neither
        // be remembered nor be sent again.
        let task = tokio::spawn(async move {
            let outcome = work.await;
            place.leave(&outcome, Instant::now());
            // Nobody else may be waiting.
            let _ = tell.send(outcome.clone());
            outcome
        });
        task.await.unwrap_or_else(|_| Err(ApiError::broke_off()))
    }

    /// Looks a request up and, if it is new, gives it a place. 422 if the key is that of another request: to answer
    /// as if it had been published would lose it.
    fn find(self: &Arc<Self>, app: &Arc<App>, key: String, digest: Digest256, now: Instant) -> Result<Found, ApiError> {
        let mut apps = self.0.lock();
        let requests = apps.entry(app.id.clone()).or_default();
        requests.answered.expire(now);
        if let Some((known, _)) = requests.answered.get(&key, now) {
            return if known.digest == digest {
                Ok(Found::Answered(known.answer.clone()))
            } else {
                Err(ApiError::key_reused())
            };
        }
        if let Some(known) = requests.running.get(&key) {
            return if known.digest == digest {
                Ok(Found::Running(known.outcome.clone()))
            } else {
                Err(ApiError::key_reused())
            };
        }
        let (tell, outcome) = oneshot::channel();
        requests.running.insert(key.clone(), Running { digest, outcome: outcome.shared() });
        Ok(Found::New(Place { memory: self.clone(), app: app.clone(), key, digest }, tell))
    }
}

impl Place {
    /// Remembers what the request was answered, if it was not refused.
    fn leave(self, outcome: &Outcome, now: Instant) {
        let Ok(answer) = outcome else { return };
        let mut apps = self.memory.0.lock();
        let requests = apps.entry(self.app.id.clone()).or_default();
        let answered = Answered { digest: self.digest, answer: answer.clone() };
        let bytes = self.key.len() + size_of::<Answered>() + answer.size();
        let forgotten = requests.answered.insert(self.key.clone(), answered, bytes, now);
        let first = forgotten > 0 && !requests.warned;
        requests.warned |= first;
        drop(apps);
        if first {
            tracing::warn!(
                app.id = self.app.id,
                limit_bytes = MAX_BYTES,
                "answers to requests with an Idempotency-Key are forgotten before 5 minutes: a late retry would be \
                 published again"
            );
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(requests) = self.memory.0.lock().get_mut(&self.app.id) {
            requests.running.remove(&self.key);
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self { answered: Expiring::new(TTL, MAX_BYTES), running: HashMap::new(), warned: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> (Arc<Memory>, Arc<App>, Instant) {
        (Arc::default(), Arc::new(App::new("1", "k", "s")), Instant::now())
    }

    /// Asks as a new request would and answers at once.
    fn answer(memory: &Arc<Memory>, app: &Arc<App>, key: String, now: Instant) {
        let Ok(Found::New(place, _)) = memory.find(app, key, [0; 32], now) else { panic!("not new") };
        place.leave(&Ok(Answer::ok(&"x".repeat(10_000))), now);
    }

    #[test]
    fn an_answer_is_remembered_for_five_minutes() {
        let (memory, app, start) = setting();
        answer(&memory, &app, "a".to_owned(), start);
        let find = |digest, secs| memory.find(&app, "a".to_owned(), digest, start + Duration::from_secs(secs));
        assert!(matches!(find([0; 32], 299), Ok(Found::Answered(_))));
        assert!(matches!(find([1; 32], 299), Err(error) if error == ApiError::key_reused()));
        assert!(matches!(find([1; 32], 300), Ok(Found::New(..))));
        let other = Arc::new(App::new("2", "k2", "s"));
        assert!(matches!(memory.find(&other, "a".to_owned(), [0; 32], start), Ok(Found::New(..))));
    }

    #[test]
    fn the_oldest_answers_make_room() {
        let (memory, app, now) = setting();
        for n in 0..2_000 {
            answer(&memory, &app, n.to_string(), now);
        }
        let known = |n: u32| matches!(memory.find(&app, n.to_string(), [0; 32], now), Ok(Found::Answered(_)));
        assert!(!known(0) && !known(300) && known(500) && known(1_999));
        assert!(memory.0.lock()["1"].warned);
    }

    #[tokio::test]
    async fn a_refused_or_lost_request_leaves_nothing() {
        let (memory, app, now) = setting();
        for _ in 0..2 {
            let Ok(Found::New(place, tell)) = memory.find(&app, "a".to_owned(), [0; 32], now) else { panic!("known") };
            let Ok(Found::Running(waiter)) = memory.find(&app, "a".to_owned(), [0; 32], now) else { panic!("new") };
            assert!(memory.find(&app, "a".to_owned(), [1; 32], now).is_err());
            let refused = Err(ApiError::missing("name"));
            place.leave(&refused, now);
            tell.send(refused).unwrap();
            assert_eq!(waiter.await.unwrap().unwrap_err(), ApiError::missing("name"));
        }
        let Ok(Found::New(place, tell)) = memory.find(&app, "a".to_owned(), [0; 32], now) else { panic!("known") };
        let Ok(Found::Running(waiter)) = memory.find(&app, "a".to_owned(), [0; 32], now) else { panic!("new") };
        drop((place, tell));
        assert!(waiter.await.is_err(), "told that it broke off");
        assert!(matches!(memory.find(&app, "a".to_owned(), [0; 32], now), Ok(Found::New(..))));
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_stops_nothing() {
        let (memory, app, _) = setting();
        let (go_on, waits) = oneshot::channel::<()>();
        let work = async move {
            waits.await.unwrap();
            Ok(Answer::accepted())
        };
        let asked = memory.carry_out(&app, "a".to_owned(), [0; 32], work);
        assert!(asked.now_or_never().is_none(), "given up in the middle");
        let mut again = Box::pin(memory.carry_out(&app, "a".to_owned(), [0; 32], async { panic!("done twice") }));
        assert!(again.as_mut().now_or_never().is_none());
        go_on.send(()).unwrap();
        assert_eq!(again.await.unwrap().size(), 2);
    }

    #[tokio::test]
    async fn work_that_panics_leaves_nothing() {
        let (memory, app, _) = setting();
        let broken = memory.carry_out(&app, "a".to_owned(), [0; 32], async { panic!("this is on purpose") });
        assert_eq!(broken.await.unwrap_err(), ApiError::broke_off());
        let again = memory.carry_out(&app, "a".to_owned(), [0; 32], async { Ok(Answer::accepted()) });
        assert!(again.await.is_ok());
    }
}
