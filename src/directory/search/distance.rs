//! How far apart two words are: insertions, deletions, substitutions and swapped neighbours count one each.

/// The longest word that is forgiven anything, in bytes. Longer ones are no words that people type.
pub(super) const WORD_BYTES_MAX: usize = 32;

/// How badly `typed` fits a word within so many edits: twice the edits for the whole word, and one more for its beginning.
/// None if it fits neither. Work is bounded by [`WORD_BYTES_MAX`] times the length of `typed`.
pub(super) fn misfit(typed: &[u8], word: &[u8], edits_max: usize) -> Option<usize> {
    let length = typed.len();
    if length > WORD_BYTES_MAX || word.len() + edits_max < length {
        return None;
    }
    // columns of the usual table: one for each beginning of the word
    let (mut before_last, mut last) = ([0; WORD_BYTES_MAX + 1], [0; WORD_BYTES_MAX + 1]);
    last.iter_mut().enumerate().for_each(|(row, cell)| *cell = row);
    let mut beginning = last[length];
    let mut whole = None;
    for (column, letter) in word.iter().enumerate().take(length + edits_max) {
        let mut this = [0; WORD_BYTES_MAX + 1];
        this[0] = column + 1;
        let mut least = this[0];
        for row in 1..=length {
            let differs = usize::from(typed[row - 1] != *letter);
            let mut cell = (last[row - 1] + differs).min(last[row] + 1).min(this[row - 1] + 1);
            if row > 1 && column > 0 && typed[row - 1] == word[column - 1] && typed[row - 2] == *letter {
                cell = cell.min(before_last[row - 2] + 1);
            }
            this[row] = cell;
            least = least.min(cell);
        }
        let hopeless = least > edits_max && last[..=length].iter().all(|cell| *cell > edits_max);
        (before_last, last) = (last, this);
        beginning = beginning.min(last[length]);
        if hopeless {
            break;
        }
        if column + 1 == word.len() {
            whole = Some(last[length]);
        }
    }
    let fits = |edits: &usize| *edits <= edits_max;
    let whole = whole.filter(fits).map(|edits| edits * 2);
    let beginning = Some(beginning).filter(fits).map(|edits| edits * 2 + 1);
    whole.into_iter().chain(beginning).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, slowly and plainly.
    fn edits(a: &[u8], b: &[u8]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = match (i, j) {
                    (0, _) => j,
                    (_, 0) => i,
                    _ => {
                        let kept = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                        let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                        let swapped = if swapped { table[i - 2][j - 2] + 1 } else { usize::MAX };
                        kept.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1).min(swapped)
                    }
                };
            }
        }
        table[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn a_misfit_is_what_the_whole_table_says(typed in "[abc]{1,9}", word in "[abc]{1,12}", edits_max in 0usize..3) {
            let (typed, word) = (typed.as_bytes(), word.as_bytes());
            let whole = Some(edits(typed, word)).filter(|n| *n <= edits_max).map(|n| n * 2);
            let beginning = (0..=word.len()).map(|end| edits(typed, &word[..end])).min().filter(|n| *n <= edits_max).map(|n| n * 2 + 1);
            let expected = if word.len() + edits_max < typed.len() { None } else { whole.into_iter().chain(beginning).min() };
            prop_assert_eq!(misfit(typed, word, edits_max), expected);
        }
    }

    #[test]
    fn swapped_letters_are_one_mistake() {
        assert_eq!(misfit(b"shcmidt", b"schmidt", 1), Some(2));
        assert_eq!(misfit(b"schnie", b"schneider", 1), Some(3));
        assert_eq!(misfit(b"meier", b"schmidt", 1), None);
    }
}
