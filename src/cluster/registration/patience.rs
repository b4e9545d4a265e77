//! When something is put right, so that who puts it back is not fought.

use std::time::{Duration, Instant};

/// After the first time; doubled each time that somebody puts it back.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);
/// After a try that failed: a right that is given should not wait for long.
const LONGEST_FAILED: Duration = Duration::from_secs(30);
/// What stays right for so long beyond the wait is forgotten: the next time is the first again.
const CALM: Duration = Duration::from_secs(600);
/// As many times in a row are a fight.
const FIGHT: u32 = 4;
/// A configuration that was removed may be the first thing that an uninstall takes away: who made it again would leave a webhook
/// behind that nobody answers. By then this pod has been told to end.
const GRACE: Duration = Duration::from_secs(15);

/// Of one configuration.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Since when something is wrong.
    since: Option<Instant>,
    /// When it was put right last, or that failed; and how long after that it is left alone.
    last: Option<(Instant, Duration)>,
    /// How often in a row.
    times: u32,
}

impl Patience {
    /// Nothing is wrong.
    pub(super) fn is_right(&mut self) {
        self.since = None;
    }

    /// Something is wrong. When it may be put right.
    pub(super) fn due(&mut self, now: Instant, is_gone: bool) -> Instant {
        let since = *self.since.get_or_insert(now);
        let after_grace = if is_gone { since + GRACE } else { since };
        self.last.map_or(after_grace, |(at, wait)| after_grace.max(at + wait))
    }

    /// It could not be put right.
    pub(super) fn failed(&mut self, now: Instant) {
        let wait = self.last.map_or(FIRST, |(_, wait)| (wait * 2).min(wait.max(LONGEST_FAILED)));
        self.last = Some((now, wait));
    }

    /// It was put right. Whether this is where a fight begins, to be told once.
    pub(super) fn tried(&mut self, now: Instant) -> bool {
        let (wait, times) = match self.last {
            Some((at, wait)) if now.saturating_duration_since(at) < wait + CALM => {
                ((wait * 2).min(LONGEST), self.times + 1)
            }
            _ => (FIRST, 1),
        };
        (self.last, self.times) = (Some((now, wait)), times);
        times == FIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it was put right within a day, in seconds, if somebody puts it back at once each time.
    fn fight() -> (Vec<u64>, u32) {
        let (mut patience, start) = (Patience::default(), Instant::now());
        let (mut now, mut all, mut told) = (start, Vec::new(), 0);
        while now < start + Duration::from_secs(86_400) {
            now = patience.due(now, false);
            all.push(now.duration_since(start).as_secs());
            told += u32::from(patience.tried(now));
            patience.is_right();
        }
        (all, told)
    }

    #[test]
    fn the_first_time_is_at_once() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        assert_eq!(patience.due(now, false), now);
    }

    #[test]
    fn who_puts_it_back_is_waited_for_twice_as_long_each_time_up_to_ten_minutes() {
        let (all, told) = fight();
        assert_eq!(all[..8], [0, 1, 3, 7, 15, 31, 63, 127]);
        assert!(all.len() < 160, "{}", all.len());
        assert_eq!(told, 1);
    }

    #[test]
    fn what_cannot_be_done_is_tried_twice_a_minute_and_is_no_fight() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        let mut now = start;
        for _ in 0..10 {
            patience.failed(now);
            now = patience.due(now, false);
        }
        // 1, 2, 4, 8, 16, and 30 from then on.
        assert_eq!(now.duration_since(start).as_secs(), 31 + 5 * 30);
        assert!(!patience.tried(now));
        assert_eq!(patience.times, 1);
    }

    #[test]
    fn what_stayed_right_for_long_is_put_right_at_once_again() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        patience.tried(start);
        patience.tried(start + Duration::from_secs(1));
        let later = start + Duration::from_secs(3600);
        assert_eq!(patience.due(later, false), later);
        assert!(!patience.tried(later));
        assert_eq!(patience.last, Some((later, FIRST)));
    }

    #[test]
    fn one_that_is_gone_is_not_made_anew_while_an_uninstall_may_be_under_way() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        assert_eq!(patience.due(now, true), now + GRACE);
        assert_eq!(patience.due(now + GRACE / 2, true), now + GRACE);
        patience.is_right();
        assert_eq!(patience.due(now + GRACE / 2, true), now + GRACE / 2 + GRACE);
    }
}
