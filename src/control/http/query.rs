//! A path's parameters.

use crate::nearest::did_you_mean;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;

/// The parameters of a query, of which only the known ones may stand there; one that stands several times is a list. A `+`
/// is a plus, because numbers begin with one.
pub(super) fn parameters(query: Option<&str>, known: &[&'static str]) -> Result<HashMap<&'static str, String>, String> {
    let mut found: HashMap<&'static str, String> = HashMap::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(known) = known.iter().find(|known| **known == name) else {
            let hint = did_you_mean(name, known.iter().copied());
            return Err(format!("there is no parameter {name:?}{hint} (there are: {})", known.join(", ")));
        };
        let value = percent_decode_str(value).decode_utf8().map_err(|_| format!("the value of {name} isn't UTF-8"))?;
        let text = found.entry(known).or_default();
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_is_a_plus_and_an_unknown_parameter_is_refused() {
        let known = &["number", "type"];
        let found = parameters(Some("number=+1415&number=%2B49&type"), known).unwrap();
        assert_eq!((found["number"].as_str(), found["type"].as_str()), ("+1415,+49", ""));
        assert!(parameters(None, known).unwrap().is_empty());
        let error = parameters(Some("nubmer=1"), known).unwrap_err();
        assert!(error.contains("did you mean number?"), "{error}");
        assert!(parameters(Some("number=%ff"), known).is_err());
    }
}
