//! A user who registers a telephone: the name and realm he signs in with, and what proves that it is he.
//!
//! The proof is SIP's digest, H(A1) = MD5 of `user:realm:password` (RFC 2617 3.2.2.2); FreeSWITCH takes it as the
//! parameter `a1-hash` in place of the password. So no password is kept. The hash suffices to register, though, and is
//! as secret as a password: it is stored and handed to the switch that asks for it, and shown to nobody.

use md5::{Digest, Md5};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use thiserror::Error;

/// The longest extension, in bytes: it is part of stored keys.
pub const EXTENSION_BYTES_MAX: usize = 64;
/// The longest domain, in bytes (RFC 1035 2.3.4, without the root's dot).
pub const DOMAIN_BYTES_MAX: usize = 253;
/// The longest display name, in bytes; as long as a contact's.
pub const USER_NAME_BYTES_MAX: usize = 256;
/// The longest dialplan context, in bytes; Asterisk's and FreeSWITCH's are a word.
pub const CONTEXT_BYTES_MAX: usize = 80;
/// The longest password, in bytes; telephones take fewer.
pub const PASSWORD_BYTES_MAX: usize = 128;

/// MD5 of `user:realm:password`. Neither [`Debug`](fmt::Debug) nor any error prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct A1Hash([u8; 16]);

impl A1Hash {
    /// The hash of a password, for one user of one domain.
    ///
    /// # Errors
    /// [`UserError::Password`] where it can't be one. The error doesn't hold the password.
    pub fn of(extension: &str, domain: &str, password: &str) -> Result<A1Hash, UserError> {
        check_extension(extension)?;
        let domain = normal_domain(domain)?;
        if password.is_empty() {
            return Err(UserError::Password("is empty"));
        }
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(UserError::Password("is longer than 128 bytes"));
        }
        if password.chars().any(char::is_control) {
            return Err(UserError::Password("holds a control character"));
        }
        Ok(A1Hash(Md5::digest(format!("{extension}:{domain}:{password}")).into()))
    }

    /// A hash that another program made: 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`UserError::A1Hash`], which doesn't hold the text.
    pub fn parse(text: &str) -> Result<A1Hash, UserError> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| UserError::A1Hash)?;
        Ok(A1Hash(bytes.try_into().map_err(|_| UserError::A1Hash)?))
    }

    /// The secret itself, as the switch wants it: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn reveal(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

impl fmt::Debug for A1Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("A1Hash(set)")
    }
}

/// Digits on the admin socket, which only the store's owner can read; bytes in the store.
impl Serialize for A1Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.serialize_str(&self.reveal()) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for A1Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<A1Hash, D::Error> {
        if deserializer.is_human_readable() {
            A1Hash::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
        } else {
            Ok(A1Hash(<[u8; 16]>::deserialize(deserializer)?))
        }
    }
}

/// A user as it is stored. [`User::check`] is the way to make one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name he registers with: `101`.
    pub extension: String,
    /// The realm, in lower case: `pbx.example.com`.
    pub domain: String,
    /// The display name of his calls.
    pub name: Option<String>,
    /// The dialplan context of his calls.
    pub context: Option<String>,
    /// What proves that it is he.
    pub a1_hash: A1Hash,
}

impl User {
    /// Makes a valid user, or says what is wrong.
    ///
    /// # Errors
    /// [`UserError`], which never holds the secret.
    pub fn check(self) -> Result<User, UserError> {
        check_extension(&self.extension)?;
        let domain = normal_domain(&self.domain)?;
        let name = self.name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
        if let Some(bytes) = name.as_ref().map(String::len).filter(|n| *n > USER_NAME_BYTES_MAX) {
            return Err(UserError::NameTooLong(bytes));
        }
        let is_word = |c: &String| {
            (1..=CONTEXT_BYTES_MAX).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        match self.context {
            Some(context) if !is_word(&context) => Err(UserError::Context(context)),
            context => Ok(User { domain, name, context, ..self }),
        }
    }
}

/// What is wrong with a user, which field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UserError {
    /// An extension that can't be a SIP user.
    #[error("the extension {0:?} can't be used; write 1 to 64 of A-Z a-z 0-9 . _ + -")]
    Extension(String),
    /// A domain that is none.
    #[error("the domain {0:?} can't be used; write a host name or an IP address, as the telephones do for their realm")]
    Domain(String),
    /// A name that is too long.
    #[error("the name has {0} bytes, more than {USER_NAME_BYTES_MAX}; shorten it")]
    NameTooLong(usize),
    /// A context that can't be one.
    #[error("the context {0:?} can't be used; write 1 to 80 of A-Z a-z 0-9 . _ -")]
    Context(String),
    /// A password that can't be one.
    #[error("the password {0}; give 1 to 128 bytes of UTF-8 on one line")]
    Password(&'static str),
    /// A hash that is none.
    #[error("the a1-hash isn't one; give the 32 hexadecimal digits of MD5 over user:domain:password")]
    A1Hash,
}

/// Refuses what can't be the user part of a SIP address without being escaped there.
///
/// # Errors
/// [`UserError::Extension`].
pub fn check_extension(extension: &str) -> Result<(), UserError> {
    let fits = (1..=EXTENSION_BYTES_MAX).contains(&extension.len());
    if fits && extension.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-')) {
        return Ok(());
    }
    Err(UserError::Extension(extension.to_owned()))
}

/// A host name or an IP address (v6 without brackets) in lower case.
///
/// # Errors
/// [`UserError::Domain`].
pub fn normal_domain(domain: &str) -> Result<String, UserError> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_host = (1..=DOMAIN_BYTES_MAX).contains(&domain.len()) && domain.split('.').all(is_label);
    if is_host || domain.parse::<core::net::Ipv6Addr>().is_ok() {
        return Ok(domain.to_ascii_lowercase());
    }
    Err(UserError::Domain(domain.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(extension: &str, domain: &str) -> User {
        let a1_hash = A1Hash::of("101", "pbx.example", "secret").unwrap();
        User { extension: extension.into(), domain: domain.into(), name: None, context: None, a1_hash }
    }

    #[test]
    fn the_hash_is_the_one_of_the_standard() {
        // printf 'Mufasa:host.com:Circle Of Life' | md5sum
        let hash = A1Hash::of("Mufasa", "host.com", "Circle Of Life").unwrap();
        assert_eq!(hash.reveal(), "72d471071fb90479e8729cf8b8b27dff");
        assert_eq!(A1Hash::of("Mufasa", "HOST.com", "Circle Of Life").unwrap(), hash);
        assert_eq!(A1Hash::parse("72D471071fb90479e8729cf8b8b27dff").unwrap(), hash);
    }

    #[test]
    fn no_error_and_no_debug_text_holds_a_secret() {
        let errors = [
            A1Hash::of("101", "pbx", "").unwrap_err(),
            A1Hash::of("101", "pbx", &"s3cret".repeat(22)).unwrap_err(),
            A1Hash::of("101", "pbx", "s3cret\u{7f}").unwrap_err(),
            A1Hash::parse("s3cret").unwrap_err(),
            A1Hash::parse("s3cret71071fb90479e8729cf8b8b27dff").unwrap_err(),
        ];
        for error in &errors {
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
        assert!(serde_json::from_str::<A1Hash>("\"s3cret\"").is_err_and(|e| !e.to_string().contains("s3cret")));
        let user = user("101", "pbx.example");
        let (hash, shown) = (user.a1_hash.reveal(), format!("{user:?} {user:#?}"));
        assert!(!shown.contains(&hash) && !shown.contains(&format!("{:?}", user.a1_hash.0)), "{shown}");
    }

    #[test]
    fn a_hash_is_digits_to_people_and_bytes_to_the_store() {
        let hash = user("101", "pbx").a1_hash;
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<A1Hash>(&json).unwrap(), hash);
        let bytes = postcard::to_stdvec(&hash).unwrap();
        assert_eq!(bytes, hash.0);
        assert_eq!(postcard::from_bytes::<A1Hash>(&bytes).unwrap(), hash);
    }

    #[test]
    fn a_user_says_which_field_is_wrong() {
        for extension in ["101", "+4930123456", "anna.b_c-d", &"x".repeat(64)] {
            assert!(user(extension, "pbx").check().is_ok(), "{extension}");
        }
        for extension in ["", "a b", "a@b", "${x}", "ä", "a\0", &"x".repeat(65)] {
            assert_eq!(user(extension, "pbx").check(), Err(UserError::Extension(extension.into())));
        }
        for domain in ["pbx", "Pbx.Example.COM", "192.0.2.7", "2001:db8::1", "_sip.x"] {
            assert_eq!(user("101", domain).check().unwrap().domain, domain.to_ascii_lowercase());
        }
        for domain in
            ["", ".", "a..b", "a.", "-a", "a b", "a/b", "[::1]", "a:5060", "ä.example", "a\0b", &"x".repeat(64), &"x.".repeat(130)]
        {
            assert_eq!(user("101", domain).check(), Err(UserError::Domain(domain.into())));
        }
        assert_eq!(User { name: Some("x".repeat(257)), ..user("1", "d") }.check(), Err(UserError::NameTooLong(257)));
        assert_eq!(User { name: Some(" ".into()), ..user("1", "d") }.check().unwrap().name, None);
        for context in ["", "a b", "a,b", "${x}"] {
            let refused = User { context: Some(context.into()), ..user("1", "d") }.check();
            assert_eq!(refused, Err(UserError::Context(context.into())));
        }
    }
}
