//! An order of up to 32 things as one number, and orders out of chance.

/// The most things whose order fits: 34! is more than 128 bits hold.
pub(in crate::routing) const ORDERED_MAX: usize = 33;

/// A permutation of `0..n` as its place among all of them, in the order of a dictionary.
pub(super) fn rank(order: &[usize]) -> u128 {
    let n = order.len().min(ORDERED_MAX);
    let mut rank = 0u128;
    for (i, item) in order[..n].iter().enumerate() {
        let smaller_behind = order[i + 1..n].iter().filter(|other| *other < item).count();
        rank = rank * (n - i) as u128 + smaller_behind as u128;
    }
    rank
}

/// The permutation of `0..n` with this rank; a rank beyond the last is taken for another one.
pub(super) fn unrank(mut rank: u128, n: usize) -> Vec<usize> {
    let n = n.min(ORDERED_MAX);
    let mut digits = vec![0; n];
    for i in (0..n).rev() {
        let base = (n - i) as u128;
        digits[i] = (rank % base) as usize;
        rank /= base;
    }
    let mut left: Vec<usize> = (0..n).collect();
    digits.into_iter().map(|d| left.remove(d)).collect()
}

/// Chance out of a seed (SplitMix64): the same seed gives the same numbers.
pub(in crate::routing) struct Chance(u64);

impl Chance {
    pub(in crate::routing) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// Puts things into an order in which heavier ones come earlier more often: the first is each with its share of the
    /// weight, and so on with what is left.
    pub(in crate::routing) fn weighted<T>(&mut self, mut things: Vec<(T, u16)>) -> Vec<T> {
        let mut order = Vec::with_capacity(things.len());
        while !things.is_empty() {
            let total: u64 = things.iter().map(|(_, w)| u64::from(*w)).sum();
            let mut at = if total == 0 { 0 } else { self.below(total) };
            let chosen = things.iter().position(|(_, w)| {
                let here = at < u64::from(*w);
                at = at.saturating_sub(u64::from(*w));
                here
            });
            order.push(things.remove(chosen.unwrap_or(0)).0);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_order_comes_back_from_its_number(order in (0usize..=ORDERED_MAX).prop_flat_map(|n| Just((0..n).collect::<Vec<_>>()).prop_shuffle())) {
            prop_assert_eq!(unrank(rank(&order), order.len()), order);
        }

        #[test]
        fn any_number_is_an_order(rank in any::<u128>(), n in 0usize..=ORDERED_MAX) {
            let mut order = unrank(rank, n);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_greatest_rank_fits_into_128_bits() {
        let backwards: Vec<usize> = (0..ORDERED_MAX).rev().collect();
        assert_eq!(unrank(rank(&backwards), ORDERED_MAX), backwards);
    }

    #[test]
    fn heavier_things_come_first_by_their_share() {
        let mut first = [0u32; 3];
        for seed in 0..10_000 {
            first[Chance::new(seed).weighted(vec![(0usize, 1), (1, 2), (2, 7)])[0]] += 1;
        }
        for (n, share) in first.iter().zip([1_000, 2_000, 7_000]) {
            assert!(n.abs_diff(share) < 200, "{first:?}");
        }
    }
}
