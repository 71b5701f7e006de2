//! Why a session is over.

use std::sync::Arc;
use tokio::sync::watch;

/// The first fault of a session, which ends it. Clones share it.
#[derive(Clone)]
pub(super) struct Fault(Arc<watch::Sender<Option<String>>>);

impl Default for Fault {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Fault {
    /// Ends the session, unless something else has. Once this returns, [`Fault::unless`] does nothing any more.
    pub(super) fn set(&self, cause: &str) {
        self.0.send_if_modified(|first| {
            let unset = first.is_none();
            first.get_or_insert_with(|| cause.to_owned());
            unset
        });
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Does `what` if the session is not over, and keeps it from ending meanwhile.
    pub(super) fn unless<T>(&self, what: impl FnOnce() -> T) -> Option<T> {
        let cause = self.0.borrow();
        cause.is_none().then(what)
    }

    /// The cause, when there is one.
    pub(super) async fn wait(&self) -> String {
        let mut causes = self.0.subscribe();
        let cause = causes.wait_for(Option::is_some).await.expect("its sender is borrowed here");
        cause.clone().unwrap_or_default()
    }
}
