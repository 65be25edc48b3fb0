//! A set of serials as sorted runs.

/// The serials from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Run {
    /// One less than how many serials it has, which always fits.
    pub(super) fn span(self) -> u64 {
        self.last - self.first
    }
}

/// Runs in order, with at least one serial between two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Serials(Vec<Run>);

impl Serials {
    pub(super) fn runs(&self) -> &[Run] {
        &self.0
    }

    pub(super) fn add(&mut self, runs: impl Iterator<Item = Run>) {
        self.0.extend(runs);
        if !self.0.is_sorted() {
            self.0.sort_unstable();
        }
        self.0.dedup_by(|next, before| {
            let touches = before
                .last
                .checked_add(1)
                .is_none_or(|end| next.first <= end);
            if touches {
                before.last = before.last.max(next.last);
            }
            touches
        });
        self.0.shrink_to_fit();
    }

    /// The run a serial is in.
    pub(super) fn run_of(&self, serial: u64) -> Option<Run> {
        let after = self.0.partition_point(|run| run.first <= serial);
        let run = *self.0[..after].last()?;
        (serial <= run.last).then_some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::{Run, Serials};

    fn of(runs: &[(u64, u64)]) -> Serials {
        let mut serials = Serials::default();
        serials.add(runs.iter().map(|(first, last)| Run {
            first: *first,
            last: *last,
        }));
        serials
    }

    #[test]
    fn runs_that_touch_or_overlap_become_one() {
        assert_eq!(of(&[(5, 5), (3, 3), (4, 4)]), of(&[(3, 5)]));
        assert_eq!(of(&[(1, 9), (2, 3), (10, 12)]), of(&[(1, 12)]));
        assert_eq!(of(&[(1, 1), (3, 3)]).runs().len(), 2);
        let end = of(&[(u64::MAX, u64::MAX), (7, u64::MAX - 1)]);
        assert_eq!(end, of(&[(7, u64::MAX)]));
    }

    #[test]
    fn a_serial_is_found_in_its_run_and_beside_it_is_nothing() {
        let serials = of(&[(3, 5), (9, 9)]);
        let found: Vec<u64> = (0..12)
            .filter(|one| serials.run_of(*one).is_some())
            .collect();
        assert_eq!(found, [3, 4, 5, 9]);
    }
}
