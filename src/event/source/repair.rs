//! When a switch is asked for its own state: after each login, after a gap, and from time to time.

use super::Pace;
use std::time::Duration;
use tokio::time::Instant;

/// How many times the shortest pause a snapshot is put off that is never whole.
const PAUSES_MAX: u32 = 12;

pub(super) struct Repair {
    wanted: bool,
    began: Option<Instant>,
    pause: Duration,
}

impl Repair {
    pub(super) fn new(pace: &Pace) -> Repair {
        Repair { wanted: true, began: None, pause: pace.repair_min }
    }

    /// Something was missed.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether it is time.
    pub(super) fn is_due(&self, now: Instant, pace: &Pace) -> bool {
        let Some(began) = self.began else { return self.wanted };
        let since = now - began;
        since >= pace.repair_every || (self.wanted && since >= self.pause)
    }

    /// When the last one began.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.wanted = false;
        self.began = Some(now);
    }

    /// A state that is larger than the ring would be asked for again and again; each time later.
    pub(super) fn end(&mut self, whole: bool, pace: &Pace) {
        self.pause = if whole { pace.repair_min } else { (self.pause * 2).min(pace.repair_min * PAUSES_MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_asked_for_at_once_then_seldom_and_after_a_gap_not_more_than_every_five_seconds() {
        let pace = Pace::default();
        let (mut repair, start) = (Repair::new(&pace), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(repair.is_due(start, &pace));
        repair.begin(start);
        repair.end(true, &pace);
        assert!(!repair.is_due(after(299), &pace) && repair.is_due(after(300), &pace));
        repair.want();
        assert!(!repair.is_due(after(4), &pace) && repair.is_due(after(5), &pace));
        repair.begin(after(5));
        repair.end(false, &pace);
        repair.want();
        assert!(!repair.is_due(after(14), &pace) && repair.is_due(after(15), &pace), "it wasn't whole");
        for _ in 0..9 {
            repair.end(false, &pace);
        }
        assert!(repair.is_due(after(65), &pace), "a minute at most");
    }
}
