//! What is wrong with a thing, all of it, and where.

use std::fmt;

/// One thing that is wrong, and where in the draft: `members[1].number`; nowhere if it is about the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Keys with dots between them, and places in lists, from 0.
    pub path: String,
    /// What is wrong, and what would be right.
    pub what: String,
    /// The things of a circle, sorted: the same circle is found from each of them, and should be told once.
    pub circle: Vec<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.path, if self.path.is_empty() { "" } else { ": " }, self.what)
    }
}

/// Everything that is wrong with a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    /// On one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(n, mistake)| write!(f, "{}{mistake}", if n == 0 { "" } else { "; " }))
    }
}

/// How often a thing is looked at again without what was wrong with it: as many times as one has fields.
const LOOKS_MAX: usize = 16;

impl Mistakes {
    pub(super) fn wrong(&mut self, path: impl Into<String>, what: impl fmt::Display) {
        self.0.push(Mistake { path: path.into(), what: what.to_string(), circle: Vec::new() });
    }

    /// What was read, or `None` and one more mistake.
    pub(super) fn kept<T, E: fmt::Display>(&mut self, path: impl Into<String>, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.wrong(path, error)).ok()
    }

    /// Checks a record that says only the first thing that is wrong with it, until nothing is: `mend` takes out what an
    /// error is about, and says where that stands (or `None`, where that isn't known).
    pub(super) fn all_of<T: Clone, E: fmt::Display>(
        &mut self,
        mut thing: T,
        check: impl Fn(T) -> Result<T, E>,
        mend: impl Fn(&mut T, &E) -> Option<&'static str>,
    ) -> Option<T> {
        let before = self.0.len();
        for _ in 0..LOOKS_MAX {
            match check(thing.clone()) {
                Ok(right) => return (self.0.len() == before).then_some(right),
                Err(error) => match mend(&mut thing, &error) {
                    Some(path) => self.wrong(path, error),
                    None => {
                        self.wrong("", error);
                        break;
                    }
                },
            }
        }
        None
    }

    /// The thing, where nothing is wrong with it.
    pub(super) fn none_of<T>(self, thing: Option<T>) -> Result<T, Mistakes> {
        match thing {
            Some(thing) if self.0.is_empty() => Ok(thing),
            _ => Err(self),
        }
    }
}
