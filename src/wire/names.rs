//! Names that commands are made of, as types: each can hold only what its place in a line bears, so that nothing in it
//! acts. FreeSWITCH's and Asterisk's differ in what that is.

/// Longest name of any kind, in bytes. FreeSWITCH's own longest are some 50 (`variable_…` headers), Asterisk's some 40.
pub const NAME_BYTES_MAX: usize = 80;

/// Types for names: what each is called, and which `const fn` says that one fits. Where they are made there is a
/// `CommandError::BadName`.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $fits:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(std::borrow::Cow<'static, str>);

        impl $name {
            /// A name known when the program is built; use it in a `const`, so that a bad one doesn't compile.
            ///
            /// # Panics
            #[doc = concat!("When the text is not ", $what, ".")]
            #[must_use]
            pub const fn from_static(name: &'static str) -> Self {
                assert!($crate::wire::names::is_name(name.as_bytes()) && $fits(name.as_bytes()), concat!("not ", $what));
                Self(std::borrow::Cow::Borrowed(name))
            }

            /// A name known only when the program runs.
            ///
            /// # Errors
            #[doc = concat!("[`CommandError::BadName`] when the text is not ", $what, ".")]
            pub fn new(name: &str) -> Result<Self, CommandError> {
                if $crate::wire::names::is_name(name.as_bytes()) && $fits(name.as_bytes()) {
                    Ok(Self(std::borrow::Cow::Owned(name.to_owned())))
                } else {
                    Err(CommandError::BadName { wanted: $what })
                }
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
pub(in crate::wire) use names;

/// Whether a text has a name's length.
pub(in crate::wire) const fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX
}

/// Letters, digits, and these.
pub(in crate::wire) const fn is_made_of(name: &[u8], others: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        let mut other = 0;
        while other < others.len() && others[other] != name[at] {
            other += 1;
        }
        if !name[at].is_ascii_alphanumeric() && other == others.len() {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a name is this word in small letters, whatever the case of its own.
pub(in crate::wire) const fn same(name: &[u8], word: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() && at < word.len() && name[at].to_ascii_lowercase() == word[at] {
        at += 1;
    }
    at == name.len() && at == word.len()
}
