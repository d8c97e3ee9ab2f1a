//! The step token: all that the next question needs, carried by the switch, so that the agent remembers nothing and
//! any agent may answer.
//!
//! `3.` + base64url(postcard of the fields + their CRC-32, four bytes, the lowest first). The checksum catches truncation
//! and mistakes; it is no signature: a dialplan is trusted by whoever lets it ask. Tokens of version 2, which didn't know
//! whom the step had rung, and of version 1, which knew nothing but a route's steps, are read too: a call may begin before
//! an upgrade and go on after it. Theirs is `.` + CRC-32 in hex behind the text.

use super::RouteKey;
use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest token, in bytes; dialplan variables and logs hold it.
pub const TOKEN_BYTES_MAX: usize = 200;
/// The most steps that one call is taken through: enough for any plan, too few for a loop to hurt.
pub const HOPS_MAX: u8 = 32;
/// A token that is older than this is stale: no call rings for a day.
pub const TOKEN_AGE_SECONDS_MAX: u64 = 24 * 3600;

/// What a call is on the way through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Course {
    /// The steps of a route.
    Route {
        /// Which.
        key: RouteKey,
        /// Which of its plans, see [`Route::plan`](super::Route::plan).
        plan: u8,
    },
    /// The trunks of an outgoing call.
    Outbound,
    /// A blocked caller may press 1.
    Challenge,
}

/// What a token holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepToken {
    /// The tenant whose plan it is.
    pub tenant: String,
    /// What the call is on the way through.
    pub course: Course,
    /// The newest revision of the route and of the groups that the step rings, when the step was begun.
    pub revision: u64,
    /// The step that the token was handed out with, from 0.
    pub index: u8,
    /// Which of the times that the step rings, from 0.
    pub attempt: u8,
    /// When the call's first question was answered, in seconds since 1970.
    pub started_seconds: u64,
    /// Reproduces the order that a group's members, or the trunks, were put in; or the way through an extension's forwards.
    pub order: u128,
    /// How many tokens this call has been handed.
    pub hops: u8,
    /// Which of the step's telephones it rings this time: a bit for each, the lowest for the first, as the step or its
    /// groups name them.
    pub rung: u32,
}

/// A token of version 2.
#[derive(Deserialize)]
struct StepToken2 {
    tenant: String,
    course: Course,
    revision: u64,
    index: u8,
    attempt: u8,
    started_seconds: u64,
    order: u128,
    hops: u8,
}

impl From<StepToken2> for StepToken {
    fn from(old: StepToken2) -> StepToken {
        StepToken {
            tenant: old.tenant,
            course: old.course,
            revision: old.revision,
            index: old.index,
            attempt: old.attempt,
            started_seconds: old.started_seconds,
            order: old.order,
            hops: old.hops,
            rung: 0,
        }
    }
}

/// A token of version 1.
#[derive(Deserialize)]
struct StepToken1 {
    tenant: String,
    route: RouteKey,
    revision: u64,
    index: u8,
    started_seconds: u64,
    #[allow(dead_code)] // groups, whose order it was for, are younger
    seed: u32,
    hops: u8,
}

impl From<StepToken1> for StepToken {
    fn from(old: StepToken1) -> StepToken {
        StepToken {
            tenant: old.tenant,
            course: Course::Route { key: old.route, plan: 0 },
            revision: old.revision,
            index: old.index,
            attempt: 0,
            started_seconds: old.started_seconds,
            order: 0,
            hops: old.hops,
            rung: 0,
        }
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not a token, or one that was cut or changed.
    #[error("is no step token")]
    Malformed,
    /// Made by a version that this one doesn't know.
    #[error("comes from another version")]
    Version,
}

impl StepToken {
    /// The text that goes into `STROWGER_STEP`.
    pub fn encode(&self) -> String {
        let mut body = postcard::to_stdvec(self).unwrap_or_default();
        // in front of the encoding: behind it the longest token would be too long
        body.extend(crc32fast::hash(&body).to_le_bytes());
        let mut text = String::with_capacity(TOKEN_BYTES_MAX);
        text.push_str("3.");
        BASE64URL_NOPAD.encode_append(&body, &mut text);
        text
    }

    /// Reads a token back.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn decode(text: &str) -> Result<StepToken, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        if let Some(fields) = text.strip_prefix("3.") {
            let bytes = BASE64URL_NOPAD.decode(fields.as_bytes()).map_err(|_| TokenError::Malformed)?;
            let (body, sum) = bytes.split_last_chunk().ok_or(TokenError::Malformed)?;
            return if crc32fast::hash(body).to_le_bytes() == *sum { whole(body) } else { Err(TokenError::Malformed) };
        }
        let (body, sum) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        if format!("{:08x}", crc32fast::hash(body.as_bytes())) != sum {
            return Err(TokenError::Malformed);
        }
        match body.split_once('.') {
            Some(("2", fields)) => old::<StepToken2>(fields),
            Some(("1", fields)) => old::<StepToken1>(fields),
            _ => Err(TokenError::Version),
        }
    }
}

/// A token of a version before this one.
fn old<T: DeserializeOwned + Into<StepToken>>(fields: &str) -> Result<StepToken, TokenError> {
    let bytes = BASE64URL_NOPAD.decode(fields.as_bytes()).map_err(|_| TokenError::Malformed)?;
    whole::<T>(&bytes).map(T::into)
}

/// The fields of a token, and nothing behind them.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, TokenError> {
    let (token, rest) = postcard::take_from_bytes(bytes).map_err(|_| TokenError::Malformed)?;
    if rest.is_empty() { Ok(token) } else { Err(TokenError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{Kind, Number};
    use proptest::prelude::*;

    fn token(tenant: &str, digits: &str) -> StepToken {
        StepToken {
            tenant: tenant.into(),
            course: Course::Route { key: RouteKey::Number(Number::from_key(Kind::Opaque, digits).expect("a key")), plan: 16 },
            revision: u64::MAX,
            index: 15,
            attempt: 127,
            started_seconds: 1_800_000_000,
            order: u128::MAX,
            hops: 32,
            rung: u32::MAX,
        }
    }

    #[test]
    fn the_longest_token_fits() {
        let text = token(&"t".repeat(super::super::TENANT_ID_BYTES_MAX), &"x".repeat(crate::number::OPAQUE_BYTES_MAX)).encode();
        assert!(text.len() <= TOKEN_BYTES_MAX, "{}", text.len());
    }

    #[test]
    fn a_token_of_version_1_is_read() {
        // made by the first version: tenant "default", the default route, revision 7, step 1, 1,800,000,000 s, seed 5, hop 2
        let body = postcard::to_stdvec(&("default", RouteKey::Default, 7u64, 1u8, 1_800_000_000u64, 5u32, 2u8)).expect("bytes");
        let text = format!("1.{}", BASE64URL_NOPAD.encode(&body));
        let token = StepToken::decode(&format!("{text}.{:08x}", crc32fast::hash(text.as_bytes()))).expect("a token");
        assert_eq!((token.tenant.as_str(), token.revision, token.index, token.hops), ("default", 7, 1, 2));
        assert_eq!(token.course, Course::Route { key: RouteKey::Default, plan: 0 });
    }

    #[test]
    fn a_token_of_version_2_is_read() {
        // tenant "default", a route of extension 101, plan 1, revision 7, step 1, attempt 2, 1,800,000,000 s, order 5, hop 3
        let course = Course::Route { key: RouteKey::Number(Number::from_key(Kind::Extension, "101").expect("a key")), plan: 1 };
        let body = postcard::to_stdvec(&("default", &course, 7u64, 1u8, 2u8, 1_800_000_000u64, 5u128, 3u8)).expect("bytes");
        let text = format!("2.{}", BASE64URL_NOPAD.encode(&body));
        let token = StepToken::decode(&format!("{text}.{:08x}", crc32fast::hash(text.as_bytes()))).expect("a token");
        assert_eq!((token.revision, token.index, token.attempt, token.order, token.hops, token.rung), (7, 1, 2, 5, 3, 0));
        assert_eq!((token.tenant.as_str(), token.course), ("default", course));
    }

    proptest! {
        #[test]
        fn a_token_comes_back_and_a_changed_one_is_refused(tenant in "[a-z0-9-]{1,32}", digits in "[0-9a-z]{1,64}", at in 0usize..180, to in "[A-Za-z0-9._-]") {
            let token = token(&tenant, &digits);
            let text = token.encode();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')));
            prop_assert_eq!(StepToken::decode(&text), Ok(token));
            let at = at % text.len();
            let changed = format!("{}{}{}", &text[..at], to, &text[at + 1..]);
            if changed != text {
                prop_assert!(StepToken::decode(&changed).is_err());
            }
            prop_assert!(StepToken::decode(&text[..at]).is_err());
        }

        #[test]
        fn any_text_is_a_token_or_an_error(text in "\\PC{0,220}") {
            let _ = StepToken::decode(&text);
        }
    }
}
