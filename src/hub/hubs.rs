//! The hubs of a node, by the ids of their apps.

use super::Hub;
use arc_swap::{ArcSwap, Guard};
use std::collections::HashMap;
use std::sync::Arc;

/// By app id.
type Map = HashMap<String, Arc<Hub>>;

/// All hubs of a node. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Hubs(Arc<ArcSwap<Map>>);

impl Hubs {
    /// All there are now.
    pub fn all(&self) -> Guard<Arc<Map>> {
        self.0.load()
    }

    /// The hub of an app.
    pub fn get(&self, app: &str) -> Option<Arc<Hub>> {
        self.0.load().get(app).cloned()
    }

    /// Adds hubs of apps that had none.
    pub fn add(&self, hubs: Vec<Arc<Hub>>) {
        let mut map = Map::clone(&self.0.load());
        map.extend(hubs.into_iter().map(|hub| (hub.app().id.clone(), hub)));
        self.0.store(Arc::new(map));
    }

    /// Lets go of those of these apps.
    pub fn remove(&self, apps: &[String]) {
        let mut map = Map::clone(&self.0.load());
        map.retain(|app, _| !apps.contains(app));
        self.0.store(Arc::new(map));
    }
}
