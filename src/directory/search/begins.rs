//! Names and numbers in the order of how they begin: who has a whole name or number is found at once, and so are the first
//! few of those that begin like what was typed, however many there are.

/// How many bytes of each are compared here.
const KEY_BYTES: usize = 8;

/// Fields of one sort and who has them.
#[derive(Default)]
pub(super) struct Begins {
    /// The first bytes of each field, in their order; what is shorter ends with zeros, which stand in no field.
    keys: Vec<u64>,
    /// Whose each is, by his rank; ascending among equal keys.
    ranks: Vec<u32>,
}

/// Those who have a field that begins like a text.
pub(super) struct Beginning<'a> {
    /// By their ranks, in no order.
    pub(super) all: &'a [u32],
    /// Those of them whose field is the text and nothing more, ascending; none where that isn't known.
    pub(super) whole: &'a [u32],
    /// Whether all of them do begin like it. Else it is longer than what is compared here, and they only may.
    pub(super) is_sure: bool,
}

fn key(text: &[u8]) -> u64 {
    let mut first = [0; KEY_BYTES];
    let len = text.len().min(KEY_BYTES);
    first[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(first)
}

impl Begins {
    /// Of fields and their owners' ranks, in any order.
    pub(super) fn of<'a>(fields: impl Iterator<Item = (&'a [u8], u32)>) -> Begins {
        let mut all: Vec<(u64, u32)> = fields.map(|(text, rank)| (key(text), rank)).collect();
        all.sort_unstable();
        Begins { keys: all.iter().map(|(key, _)| *key).collect(), ranks: all.iter().map(|(_, rank)| *rank).collect() }
    }

    /// Who has one that begins like a text, which isn't empty.
    pub(super) fn like(&self, text: &[u8]) -> Beginning<'_> {
        let first = key(text);
        let rest = KEY_BYTES.saturating_sub(text.len());
        let last = if rest == 0 { first } else { first | (u64::MAX >> (8 * (KEY_BYTES - rest))) };
        let from = self.keys.partition_point(|key| *key < first);
        let to = from + self.keys[from..].partition_point(|key| *key <= last);
        let whole = if rest == 0 { 0 } else { self.keys[from..to].partition_point(|key| *key == first) };
        Beginning { all: &self.ranks[from..to], whole: &self.ranks[from..from + whole], is_sure: text.len() <= KEY_BYTES }
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        8 * self.keys.capacity() + 4 * self.ranks.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_begins_like_it_and_who_is_it_are_told_apart() {
        let fields = ["anna", "ann", "annabell", "annabella", "bert", "ann"];
        let begins = Begins::of(fields.iter().zip(0..).map(|(text, rank)| (text.as_bytes(), rank)));
        let like = |text: &str| {
            let found = begins.like(text.as_bytes());
            let mut all = found.all.to_vec();
            all.sort_unstable();
            (all, found.whole.to_vec(), found.is_sure)
        };
        assert_eq!(like("ann"), (vec![0, 1, 2, 3, 5], vec![1, 5], true));
        assert_eq!(like("a"), (vec![0, 1, 2, 3, 5], vec![], true));
        assert_eq!(like("annabell"), (vec![2, 3], vec![], true));
        assert_eq!(like("annabella"), (vec![2, 3], vec![], false));
        assert_eq!(like("c"), (vec![], vec![], true));
        assert_eq!(Begins::of(std::iter::empty()).like(b"a").all, [0_u32; 0]);
    }
}
