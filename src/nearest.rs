//! The word that was probably meant: for errors that end in a suggestion.

/// `; did you mean …?` where one of the known words is near to what was typed, else nothing.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known.into_iter().map(|word| (strsim::damerau_levenshtein(word, typed), word)).min();
    match near {
        Some((distance, word)) if distance <= 1 + typed.len() / 4 => format!("; did you mean {word}?"),
        _ => String::new(),
    }
}

/// What serde says of a text, in the words of people, with a suggestion for a key that isn't known.
#[must_use]
pub fn in_words(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let hint = match (message.starts_with("unknown field"), quoted.next()) {
        (true, Some(unknown)) => did_you_mean(unknown, quoted),
        _ => String::new(),
    };
    let said = message.replace("unknown field", "unknown key").replace("missing field", "missing key").replace('`', "");
    format!("{said}{hint}")
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, in_words};

    #[test]
    fn a_key_that_is_not_known_is_told_with_the_one_that_was_meant() {
        let said = in_words("unknown field `nmae`, expected one of `id`, `name`");
        assert_eq!(said, "unknown key nmae, expected one of id, name; did you mean name?");
        assert_eq!(in_words("missing field `id`"), "missing key id");
    }

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("dail", ["busy", "dial"]), "; did you mean dial?");
        assert_eq!(did_you_mean("ansewr_budget_ms", ["agi", "answer_budget_ms"]), "; did you mean answer_budget_ms?");
        assert_eq!(did_you_mean("telephone", ["id", "name"]), "");
    }
}
