//! What a request says of the revision that it is about: `If-Match` and `If-None-Match`.

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};

/// What a thing has to be for a change of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Over {
    /// Whatever it is.
    Anything,
    /// One of these revisions.
    OneOf(Vec<u64>),
    /// There.
    Something,
    /// Not there.
    Nothing,
}

/// The tags of a header, `None` where it isn't there; `*` by itself is `Err(())`. What is no tag of ours is none's.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Result<Vec<u64>, ()>> {
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    if values.is_empty() {
        return None;
    }
    let words = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    if words.clone().any(|word| word == "*") {
        return Some(Err(()));
    }
    let revision = |word: &str| word.strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    Some(Ok(words.filter_map(revision).collect()))
}

/// What a change is made over.
pub(super) fn of_change(headers: &HeaderMap) -> Result<Over, String> {
    match (tags(headers, &IF_MATCH), tags(headers, &IF_NONE_MATCH)) {
        (None, None) => Ok(Over::Anything),
        (Some(Ok(revisions)), None) => Ok(Over::OneOf(revisions)),
        (Some(Err(())), None) => Ok(Over::Something),
        (None, Some(Err(()))) => Ok(Over::Nothing),
        (None, Some(Ok(_))) => {
            Err("If-None-Match of a change is *, for a thing that must not be there yet; use If-Match for one that is".to_owned())
        }
        (Some(_), Some(_)) => Err("If-Match and If-None-Match exclude each other; send one of them".to_owned()),
    }
}

/// Whether whoever reads has this revision already. A weak tag will do for that.
pub(super) fn has_it(headers: &HeaderMap, revision: u64) -> bool {
    let weak = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let own = format!("\"{revision}\"");
    weak.flat_map(|value| value.split(',')).map(str::trim).any(|word| word == "*" || word.strip_prefix("W/").unwrap_or(word) == own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn a_tag_that_is_not_ours_and_a_weak_one_match_no_revision_of_a_change() {
        assert_eq!(of_change(&with(IF_MATCH, "\"7\", \"9\"")), Ok(Over::OneOf(vec![7, 9])));
        for none in ["W/\"7\"", "7", "\"x\"", "\"-1\"", "", "\"18446744073709551616\""] {
            assert_eq!(of_change(&with(IF_MATCH, none)), Ok(Over::OneOf(vec![])), "{none}");
        }
        assert_eq!(of_change(&with(IF_MATCH, "*")), Ok(Over::Something));
        assert_eq!(of_change(&with(IF_NONE_MATCH, "*")), Ok(Over::Nothing));
        assert_eq!(of_change(&HeaderMap::new()), Ok(Over::Anything));
        assert!(of_change(&with(IF_NONE_MATCH, "\"7\"")).is_err());
    }

    #[test]
    fn whoever_has_a_revision_is_not_sent_it_again() {
        for (value, has) in [("\"7\"", true), ("W/\"7\"", true), ("\"1\",\"7\"", true), ("*", true), ("\"8\"", false), ("7", false)] {
            assert_eq!(has_it(&with(IF_NONE_MATCH, value), 7), has, "{value}");
        }
    }
}
