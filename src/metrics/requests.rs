//! Requests to the HTTP API, by what they were for and how they were answered.

use super::Counter;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To publish events.
    Publish,
    /// To ask about channels, users, connections or nodes.
    Query,
    /// To end connections.
    Terminate,
    /// To ask about webhooks, or replay some.
    Webhooks,
    /// Health, the API's description, and what is no route.
    Other,
}

impl Route {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Publish, "publish"),
        (Self::Query, "query"),
        (Self::Terminate, "terminate"),
        (Self::Webhooks, "webhooks"),
        (Self::Other, "other"),
    ];
}

/// The first digits of statuses.
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A counter for each kind of request and first digit of its status.
#[derive(Debug, Default)]
pub struct Requests([[Counter; STATUSES.len()]; Route::ALL.len()]);

impl Requests {
    /// Counts a request that was answered with `status`.
    pub fn count(&self, route: Route, status: u16) {
        let class = usize::from(status / 100).clamp(1, STATUSES.len()) - 1;
        self.0[route as usize][class].add(1);
    }

    /// Every route and class of status with its sum so far.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let each = Route::ALL.iter().zip(&self.0);
        each.flat_map(|((_, route), counters)| {
            let counted = STATUSES.iter().zip(counters);
            counted.map(|(status, counter)| (*route, *status, counter.get()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_class() {
        let requests = Requests::default();
        for (route, _) in Route::ALL {
            requests.count(route, 200);
        }
        for status in [404, 413, 503, 999, 0] {
            requests.count(Route::Webhooks, status);
        }
        let counted: Vec<_> = requests.all().filter(|(.., n)| *n > 0).collect();
        let expect = [
            ("publish", "2xx", 1),
            ("query", "2xx", 1),
            ("terminate", "2xx", 1),
            ("webhooks", "1xx", 1),
            ("webhooks", "2xx", 1),
            ("webhooks", "4xx", 2),
            ("webhooks", "5xx", 2),
            ("other", "2xx", 1),
        ];
        assert_eq!(counted, expect);
    }
}
