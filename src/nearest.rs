//! The word that was probably meant: for errors that end in a suggestion.

/// `; did you mean …?` where one of the known words is near to what was typed, else nothing.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known.into_iter().map(|word| (strsim::damerau_levenshtein(word, typed), word)).min();
    match near {
        Some((distance, word)) if distance <= 1 + typed.len() / 4 => format!("; did you mean {word}?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("dail", ["busy", "dial"]), "; did you mean dial?");
        assert_eq!(did_you_mean("ansewr_budget_ms", ["agi", "answer_budget_ms"]), "; did you mean answer_budget_ms?");
        assert_eq!(did_you_mean("telephone", ["id", "name"]), "");
    }
}
