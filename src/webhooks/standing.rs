//! How a channel stands, and how back ends know it to stand: what differs is what they are to be told. Pure: time is a
//! parameter.
//!
//! What is undone before it was told needs no telling, so a page change or a storm of reconnects says nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Up to so many subscribers every change of their number is told (spec 6.2).
const SMALL: usize = 100;
/// Above it, there is at least so long between two tellings.
const COUNT_PAUSE: Duration = Duration::from_secs(5);
/// After one `cache_miss` there is at least so long until the next one for the same channel, unless it was filled (K7).
pub(super) const MISS_PAUSE: Duration = Duration::from_secs(10);
const MISS_PAUSE_MS: u64 = 10_000;

/// A channel.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) occupied: Fact,
    pub(super) members: HashMap<String, Fact>,
    pub(super) count: Count,
    pub(super) miss: Miss,
}

/// Something that is so or not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fact {
    is: bool,
    told: bool,
    /// Since when it is so, if that is known.
    since: Option<Instant>,
    /// Whether it will be looked at again.
    timed: bool,
    /// Whether it was decided to tell, and is not told yet.
    asked: bool,
}

/// A number of subscribers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    is: usize,
    told: usize,
    /// When it was told last.
    at: Option<Instant>,
    /// Before that nothing is told.
    hold: Option<Instant>,
    timed: bool,
    asked: bool,
}

/// That a cache channel had nothing for a newcomer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Miss {
    /// Whether back ends are to hear of it.
    waits: bool,
    asked: bool,
    /// When they were told last, in milliseconds since 1970 as the teller reckons, and when that was heard.
    told: Option<(u64, Instant)>,
}

/// What a difference calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Tell it.
    Now,
    /// Look again then.
    At(Instant),
    /// Nothing, or nothing yet that is not looked at again anyway.
    Never,
}

impl Fact {
    /// Takes note that it is so or not from `now` on.
    pub(super) fn set(&mut self, is: bool, now: Instant) {
        if self.is != is {
            (self.is, self.since) = (is, Some(now));
        }
    }

    /// Takes note that back ends were told, at a time when it may have been otherwise already.
    pub(super) fn tell(&mut self, told: bool) {
        self.told = told;
    }

    /// What is due at `now`: what begins is told at once, what ends once it has not come back for `debounce`.
    pub(super) fn due(&mut self, now: Instant, debounce: Duration) -> Due {
        if self.is == self.told || self.asked {
            return Due::Never;
        }
        let at = *self.since.get_or_insert(now) + if self.is { Duration::ZERO } else { debounce };
        due(at, now, &mut self.timed)
    }

    /// Takes note that it is being looked at as was asked for.
    pub(super) fn looked(&mut self) {
        self.timed = false;
    }

    /// Takes note whether it was decided to tell it, and that is not in force yet.
    pub(super) fn ask(&mut self, asked: bool) {
        self.asked = asked;
    }

    /// Takes note that it is not known any more how it is: nothing is to be told until it is.
    fn lose_sight(&mut self) {
        (self.is, self.since) = (self.told, None);
    }

    pub(super) fn is(&self) -> bool {
        self.is
    }

    pub(super) fn told(&self) -> bool {
        self.told
    }

    /// Whether it has ended, and nobody has said so.
    pub(super) fn is_to_end(&self) -> bool {
        self.told && !self.is && !self.asked
    }

    fn is_blank(&self) -> bool {
        !self.is && !self.told
    }
}

impl Count {
    pub(super) fn set(&mut self, is: usize) {
        self.is = is;
    }

    /// Takes note that back ends were told at `now`.
    pub(super) fn tell(&mut self, told: usize, now: Instant) {
        (self.told, self.at) = (told, Some(now));
    }

    /// Takes note whether it was decided to tell it, and that is not in force yet.
    pub(super) fn ask(&mut self, asked: bool) {
        self.asked = asked;
    }

    /// Takes note that nothing is to be told before `until`, when it is known again who is there.
    pub(super) fn hold(&mut self, until: Instant) {
        self.hold = Some(until);
    }

    /// What is due at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if self.is == self.told || self.asked {
            return Due::Never;
        }
        let pause = self.at.filter(|_| self.is > SMALL).map(|at| at + COUNT_PAUSE);
        due(pause.max(self.hold).unwrap_or(now), now, &mut self.timed)
    }

    /// Takes note that it is being looked at as was asked for.
    pub(super) fn looked(&mut self) {
        self.timed = false;
    }

    pub(super) fn is(&self) -> usize {
        self.is
    }

    pub(super) fn told(&self) -> usize {
        self.told
    }
}

impl Miss {
    /// Takes note that somebody found nothing.
    pub(super) fn set(&mut self, now_ms: u64) {
        self.waits |= self.is_news(now_ms);
    }

    /// Takes note that there is something now; whether back ends know otherwise.
    pub(super) fn fill(&mut self) -> bool {
        self.waits = false;
        self.told.is_some()
    }

    /// Takes note that back ends count as not told, as there was something since.
    pub(super) fn forget(&mut self) {
        self.told = None;
    }

    /// Takes note that back ends are told.
    pub(super) fn tell(&mut self, at_ms: u64, now: Instant) {
        self.told = Some((at_ms, now));
    }

    /// Whether back ends may be told then.
    pub(super) fn is_news(&self, at_ms: u64) -> bool {
        self.told.is_none_or(|(told, _)| at_ms >= told.saturating_add(MISS_PAUSE_MS))
    }

    /// Takes note whether it was decided to tell it, and that is not in force yet.
    pub(super) fn ask(&mut self, asked: bool) {
        (self.waits, self.asked) = (false, asked);
    }

    fn give_up(&mut self) -> bool {
        let asked = std::mem::take(&mut self.asked);
        self.waits |= asked;
        asked
    }

    pub(super) fn is_due(&self) -> bool {
        self.waits && !self.asked
    }

    pub(super) fn told(&self) -> Option<u64> {
        self.told.map(|(told, _)| told)
    }

    /// Forgets what was told so long ago that it may be told again.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.told = self.told.filter(|(_, heard)| now < *heard + MISS_PAUSE);
    }
}

fn due(at: Instant, now: Instant, timed: &mut bool) -> Due {
    match at <= now {
        true => Due::Now,
        false if std::mem::replace(timed, true) => Due::Never,
        false => Due::At(at),
    }
}

impl Standing {
    /// What is left once it is unknown what back ends know.
    pub(super) fn forget(&mut self) {
        let forget = |fact: &mut Fact| *fact = Fact { told: false, timed: false, asked: false, ..*fact };
        forget(&mut self.occupied);
        self.members.values_mut().for_each(forget);
        self.count = Count { is: self.count.is, ..Count::default() };
        self.miss = Miss { waits: self.miss.waits, ..Miss::default() };
    }

    /// Takes note that it is not known any more whether the channel is occupied, who is there, how many there are, and
    /// whether they find something, each if so.
    pub(super) fn lose_sight(&mut self, [channel, members, count, miss]: [bool; 4]) {
        if channel {
            self.occupied.lose_sight();
        }
        if members {
            self.members.values_mut().for_each(Fact::lose_sight);
            self.members.retain(|_, fact| !fact.is_blank());
        }
        if count {
            self.count.is = self.count.told;
        }
        self.miss.waits &= !miss;
    }

    /// Takes note that what was decided and is not in force yet never will be.
    /// Whether there was any.
    pub(super) fn give_up(&mut self) -> bool {
        let facts = [&mut self.occupied].into_iter().chain(self.members.values_mut());
        let asked = facts.filter_map(|fact| std::mem::take(&mut fact.asked).then_some(())).count() > 0;
        let counted = std::mem::take(&mut self.count.asked);
        self.miss.give_up() || counted || asked
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_blank(&self) -> bool {
        let Count { is, told, .. } = self.count;
        self.occupied.is_blank() && self.members.is_empty() && is == 0 && told == 0 && self.miss == Miss::default()
    }

    /// Forgets members that are not there, as back ends know.
    pub(super) fn tidy(&mut self, user: &str) {
        if self.members.get(user).is_some_and(Fact::is_blank) {
            self.members.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(3);

    #[test]
    fn what_begins_is_told_at_once_and_what_ends_after_a_while() {
        let (mut fact, start) = (Fact::default(), Instant::now());
        fact.set(true, start);
        assert_eq!(fact.due(start, GRACE), Due::Now);
        fact.tell(true);
        assert_eq!(fact.due(start, GRACE), Due::Never);
        fact.set(false, start);
        assert_eq!(fact.due(start, GRACE), Due::At(start + GRACE));
        assert_eq!(fact.due(start, GRACE), Due::Never);
        fact.looked();
        assert_eq!(fact.due(start + GRACE, GRACE), Due::Now);
    }

    #[test]
    fn what_comes_back_is_not_told_and_waits_anew() {
        let (mut fact, start) = (Fact::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        fact.set(true, start);
        fact.tell(true);
        fact.set(false, at(10));
        assert_eq!(fact.due(at(10), GRACE), Due::At(at(13)));
        fact.set(true, at(12));
        fact.set(false, at(12));
        fact.looked();
        assert_eq!(fact.due(at(13), GRACE), Due::At(at(15)));
        fact.set(true, at(14));
        fact.looked();
        assert_eq!(fact.due(at(15), GRACE), Due::Never);
    }

    #[test]
    fn large_numbers_are_told_once_in_a_while() {
        let (mut count, start) = (Count::default(), Instant::now());
        for is in 1..=100 {
            count.set(is);
            assert_eq!(count.due(start), Due::Now, "{is}");
            count.tell(is, start);
        }
        count.set(101);
        assert_eq!(count.due(start), Due::At(start + COUNT_PAUSE));
        count.set(102);
        assert_eq!(count.due(start), Due::Never);
        count.looked();
        assert_eq!(count.due(start + COUNT_PAUSE), Due::Now);
        count.set(99);
        assert_eq!(count.due(start), Due::Now);
    }

    #[test]
    fn a_number_that_is_not_known_again_yet_is_held() {
        let (mut count, start) = (Count::default(), Instant::now());
        count.tell(5, start);
        count.hold(start + GRACE);
        assert_eq!(count.due(start), Due::At(start + GRACE));
        count.set(5);
        count.looked();
        assert_eq!(count.due(start + GRACE), Due::Never);
    }
}
