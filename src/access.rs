//! Who may ask over HTTP: by which name of this machine, with which token, and what each token may do.
//!
//! A token is 256 random bits, so guessing it is hopeless and needs no limit of its own; for the same reason a plain
//! SHA-256 of it, without salt or work factor, says nothing of it. Only that is kept. Whoever makes a token sees it once.

use data_encoding::BASE64URL_NOPAD;
use hyper::http::uri::Authority;
use hyper::http::{HeaderMap, Uri, header::HOST};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use std::net::IpAddr;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The longest name of a token, in bytes: it is part of stored keys.
pub const TOKEN_NAME_BYTES_MAX: usize = 64;
/// What every token begins with, so that people and scanners know one when they see it.
pub const TOKEN_PREFIX: &str = "swt_";
/// The random part of a token, in bytes.
const SECRET_BYTES: usize = 32;

/// Whether a request was sent to this machine as such: by address, as `localhost`, or to nobody in particular. A page that
/// a browser on this machine shows may be led to a port of ours under a name of its own.
#[must_use]
pub fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let header = headers.get(HOST).map(|host| host.to_str().unwrap_or("?"));
    let Some(authority) = uri.authority().map(|a| a.as_str()).or(header) else { return true };
    let host = authority.parse::<Authority>().map(|authority| authority.host().to_owned()).unwrap_or_default();
    host.eq_ignore_ascii_case("localhost") || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Follow the feed.
    EventsRead,
    /// Have events as the switches wrote them, too.
    EventsRaw,
    /// See live calls.
    CallsRead,
    /// Read the metrics.
    MetricsRead,
    /// Switch what extensions' users may switch themselves.
    FeaturesWrite,
    /// Read contacts.
    ContactsRead,
    /// Change contacts.
    ContactsWrite,
    /// Read the plan: routes, groups, schedules, extensions, trunks, limits, lists and users.
    PlanRead,
    /// Change the plan.
    PlanWrite,
}

impl Scope {
    /// Every scope, its word, and what it allows.
    pub const ALL: &'static [(Scope, &'static str, &'static str)] = &[
        (Scope::EventsRead, "events:read", "GET /events"),
        (Scope::EventsRaw, "events:raw", "GET /events?raw=1: what the switches wrote, of all tenants"),
        (Scope::CallsRead, "calls:read", "GET /calls"),
        (Scope::MetricsRead, "metrics:read", "GET /metrics"),
        (
            Scope::FeaturesWrite,
            "features:write",
            "PATCH /extensions/{number} (do not disturb, forwards), PUT and DELETE /schedules/{id}/override",
        ),
        (Scope::ContactsRead, "contacts:read", "GET /api/v1/contacts, /api/v1/name, /phonebook/…"),
        (Scope::ContactsWrite, "contacts:write", "PUT, DELETE and batches of /api/v1/contacts"),
        (Scope::PlanRead, "plan:read", "GET of the other collections of /api/v1/, /api/v1/explain"),
        (Scope::PlanWrite, "plan:write", "PUT and DELETE of the other collections of /api/v1/"),
    ];

    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        Scope::ALL.iter().find(|(scope, ..)| *scope == self).map_or("", |(_, word, _)| word)
    }

    /// Reads a comma list.
    ///
    /// # Errors
    /// [`AccessError`] names the word that is no scope.
    pub fn parse_list(text: &str) -> Result<Vec<Scope>, AccessError> {
        let mut scopes = Vec::new();
        for word in text.split(',').map(str::trim) {
            let found = Scope::ALL.iter().find(|(_, known, _)| *known == word);
            let unknown = || {
                let words = || Scope::ALL.iter().map(|(_, word, _)| *word);
                let hint = crate::nearest::did_you_mean(word, words());
                AccessError::Scope(word.to_owned(), hint, words().collect::<Vec<_>>().join(", "))
            };
            scopes.push(found.ok_or_else(unknown)?.0);
        }
        scopes.sort_unstable();
        scopes.dedup();
        Ok(scopes)
    }
}

/// What is wrong with a token's name or scopes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessError {
    /// A scope that is none.
    #[error("{0:?} is no scope{1} (there are: {2})")]
    Scope(String, String, String),
    /// A name that can't be one.
    #[error("the name {0:?} can't be used; write 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name(String),
    /// No scope at all.
    #[error("a token without a scope can do nothing; give it one with --scope")]
    NoScope,
    /// A digest that is none.
    #[error("a token's digest has 64 hexadecimal digits")]
    Digest,
}

/// Whether a text can name a token.
///
/// # Errors
/// [`AccessError::Name`].
pub fn check_token_name(name: &str) -> Result<(), AccessError> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let ok = (1..=TOKEN_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_word);
    if ok { Ok(()) } else { Err(AccessError::Name(name.to_owned())) }
}

/// A token in its owner's hand. Printed by [`Secret::reveal`] only.
pub struct Secret(String);

impl Secret {
    /// A fresh one, from the system's source of randomness.
    ///
    /// # Errors
    /// The system has none.
    pub fn random() -> io::Result<Secret> {
        let mut bytes = [0; SECRET_BYTES];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(Secret(format!("{TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))))
    }

    /// The token itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of a token as it was presented.
    #[must_use]
    pub fn of(presented: &str) -> TokenDigest {
        TokenDigest(Sha256::digest(presented).into())
    }
}

/// Takes as long for any two.
impl PartialEq for TokenDigest {
    fn eq(&self, other: &TokenDigest) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenDigest {}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(set)")
    }
}

/// Digits on the admin socket; bytes in the store.
impl Serialize for TokenDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&data_encoding::HEXLOWER.encode(&self.0)),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TokenDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TokenDigest, D::Error> {
        if !deserializer.is_human_readable() {
            return Ok(TokenDigest(<[u8; 32]>::deserialize(deserializer)?));
        }
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(String::deserialize(deserializer)?.as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(TokenDigest).ok_or_else(|| D::Error::custom(AccessError::Digest))
    }
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name, one of its tenant's.
    pub name: String,
    /// What it may do, in words: a version that doesn't know one passes over it.
    pub scopes: Vec<String>,
    /// When it was made. Microseconds since 1970.
    pub created_us: u64,
    /// From when on it isn't taken any more. Microseconds since 1970.
    pub expires_us: Option<u64>,
    /// What it is known by.
    pub digest: TokenDigest,
}

impl Token {
    /// A valid token, or what is wrong with it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn check(self) -> Result<Token, AccessError> {
        check_token_name(&self.name)?;
        match Scope::parse_list(&self.scopes.join(",")) {
            _ if self.scopes.is_empty() => Err(AccessError::NoScope),
            Ok(scopes) => Ok(Token { scopes: scopes.iter().map(|s| s.word().to_owned()).collect(), ..self }),
            Err(error) => Err(error),
        }
    }

    /// Whether it may do that.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|word| word == scope.word())
    }

    /// Whether its time is over.
    #[must_use]
    pub fn has_expired(&self, now_us: u64) -> bool {
        self.expires_us.is_some_and(|end| end <= now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_that_is_none_is_refused_with_the_nearest_one() {
        assert_eq!(Scope::parse_list("metrics:read, events:read,events:read"), Ok(vec![Scope::EventsRead, Scope::MetricsRead]));
        let error = Scope::parse_list("event:read").unwrap_err().to_string();
        assert!(error.contains("\"event:read\" is no scope; did you mean events:read?"), "{error}");
        assert!(Scope::parse_list("").is_err());
    }

    #[test]
    fn a_token_is_kept_as_a_digest_that_neither_debug_nor_json_turns_back() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), TOKEN_PREFIX.len() + 43);
        assert!(one.digest() == TokenDigest::of(one.reveal()) && one.digest() != other.digest());
        assert_eq!(format!("{:?}", one.digest()), "TokenDigest(set)");
        // sha256sum(1) says so
        let json = serde_json::to_string(&TokenDigest::of("swt_x")).unwrap();
        assert_eq!(serde_json::from_str::<TokenDigest>(&json).unwrap(), TokenDigest::of("swt_x"));
        assert_eq!(json, "\"cf4840715aae3f3ae63aa1db04527d7997d37044787ddd5233aa1f393f495a80\"");
        assert!(serde_json::from_str::<TokenDigest>("\"00\"").is_err());
    }

    #[test]
    fn a_token_ends_at_its_time_and_may_only_what_it_was_given() {
        let made = |scopes: &[&str], name: &str| Token {
            name: name.into(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            created_us: 1,
            expires_us: Some(10),
            digest: TokenDigest::of("x"),
        };
        let token = made(&["events:read"], "panel").check().unwrap();
        assert!(token.may(Scope::EventsRead) && !token.may(Scope::MetricsRead) && !token.may(Scope::EventsRaw));
        assert!(!token.has_expired(9) && token.has_expired(10));
        assert_eq!(made(&[], "panel").check(), Err(AccessError::NoScope));
        for name in ["", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(made(&["events:read"], name).check(), Err(AccessError::Name(name.into())));
        }
    }
}
