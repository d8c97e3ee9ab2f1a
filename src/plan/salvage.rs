//! Tables that can't be read: every mistake in them, and what is left without these.
//!
//! serde stops at the first thing that it can't read. Here that is taken out of the table, or something of the right sort
//! is put into its place, and the rest is read again.

use super::mistake::Mistake;
use super::place::path_of;
use crate::nearest::in_words;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Error, ValueDeserializer};

/// The most mistakes that are looked for in one table: each costs a reading of all of it.
const TABLE_MISTAKES_MAX: usize = 100;

/// Where a value stands that no file holds.
const NOWHERE: Range<usize> = usize::MAX - 1..usize::MAX;

/// What came of a table.
pub(super) struct Salvaged<T> {
    /// What could be read, with something else in the place of what couldn't.
    pub(super) draft: Option<T>,
    /// What couldn't be read, and where it stands.
    pub(super) mistakes: Vec<Mistake>,
}

impl<T> Salvaged<T> {
    /// Whether something that is wrong with the draft comes only of what was put into it or taken out of it.
    pub(super) fn explains(&self, path: &str) -> bool {
        let is_in = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.mistakes.iter().any(|m| is_in(&m.path, path) || is_in(path, &m.path))
    }
}

/// Reads a table as far as it can be read.
pub(super) fn salvage<T: DeserializeOwned>(table: &Spanned<DeValue<'_>>) -> Salvaged<T> {
    let read = |table: &Spanned<DeValue<'_>>| T::deserialize(ValueDeserializer::from(table.clone()));
    let (mut left, mut mistakes) = (table.clone(), Vec::new());
    let mut result = read(&left);
    while let Err(error) = &result {
        let span = error.span().unwrap_or_else(|| table.span());
        let path = path_of(table, &span);
        let missing = error.message().strip_prefix("missing field `").and_then(|m| m.strip_suffix('`')).map(str::to_owned);
        let own = match &missing {
            Some(name) if path.is_empty() => name.clone(),
            Some(name) => format!("{path}.{name}"),
            None => path.clone(),
        };
        // the same place again: nothing fits there
        let is_known = mistakes.iter().any(|m: &Mistake| m.path == own);
        if is_known || mistakes.len() == TABLE_MISTAKES_MAX {
            return Salvaged { draft: None, mistakes };
        }
        if missing.is_none()
            && let Some(wrong) = elements(&left, &span, &read)
        {
            for (at, what) in wrong {
                mistakes.push(Mistake { path: path_of(table, &at), what, circle: Vec::new() });
                take_out(&mut left, &at);
            }
            result = read(&left);
            continue;
        }
        let is_whole = own.is_empty();
        mistakes.push(Mistake { path: own, what: in_words(error.message()), circle: Vec::new() });
        if is_whole {
            return Salvaged { draft: None, mistakes };
        }
        let put_at = if missing.is_some() { NOWHERE } else { span.clone() };
        let fitting = substitutes().into_iter().find_map(|substitute| {
            let mut tried = left.clone();
            put(&mut tried, &span, missing.as_deref(), substitute).then_some(())?;
            let again = read(&tried);
            let fits = again.as_ref().err().is_none_or(|e| e.span().as_ref() != Some(&put_at));
            fits.then_some((tried, again))
        });
        (left, result) = match fitting {
            Some(found) => found,
            None if missing.is_none() && take_out(&mut left, &span) => {
                let again = read(&left);
                (left, again)
            }
            None => return Salvaged { draft: None, mistakes },
        };
    }
    Salvaged { draft: result.ok(), mistakes }
}

/// The elements of a list at a span that can't be read, each looked at alone: a text that is read by a type of its own doesn't
/// say which one it is. `None` where it isn't the elements.
fn elements<'i, T>(
    left: &Spanned<DeValue<'i>>,
    span: &Range<usize>,
    read: &impl Fn(&Spanned<DeValue<'i>>) -> Result<T, Error>,
) -> Option<Vec<(Range<usize>, String)>> {
    let DeValue::Array(values) = find(left, span)? else { return None };
    let alone = |element: &Spanned<DeValue<'i>>| {
        let mut tried = left.clone();
        put(&mut tried, span, None, DeValue::Array(std::iter::once(element.clone()).collect()));
        let error = read(&tried).err().filter(|error| error.span().as_ref() == Some(span))?;
        Some((element.span(), in_words(error.message())))
    };
    let wrong: Vec<_> = values.iter().take(TABLE_MISTAKES_MAX).filter_map(alone).collect();
    (!wrong.is_empty()).then_some(wrong)
}

fn find<'v, 'i>(value: &'v Spanned<DeValue<'i>>, span: &Range<usize>) -> Option<&'v DeValue<'i>> {
    if value.span() == *span {
        return Some(value.get_ref());
    }
    match value.get_ref() {
        DeValue::Table(table) => table.iter().find_map(|(_, inner)| find(inner, span)),
        DeValue::Array(values) => values.iter().find_map(|inner| find(inner, span)),
        _ => None,
    }
}

fn substitutes() -> [DeValue<'static>; 5] {
    [
        DeValue::String(Cow::Borrowed("")),
        DeValue::Integer(Default::default()),
        DeValue::Boolean(false),
        DeValue::Array(DeArray::default()),
        DeValue::Table(DeTable::default()),
    ]
}

/// Puts a value into the place of the one at a span, or into the table there under a name.
fn put<'i>(value: &mut Spanned<DeValue<'i>>, span: &Range<usize>, name: Option<&str>, substitute: DeValue<'i>) -> bool {
    if value.span() == *span {
        match name {
            None => *value.get_mut() = substitute,
            Some(name) => {
                let DeValue::Table(table) = value.get_mut() else { return false };
                table.insert(Spanned::new(NOWHERE, Cow::Owned(name.to_owned())), Spanned::new(NOWHERE, substitute));
            }
        }
        return true;
    }
    let mut substitute = Some(substitute);
    let mut put_in = |inner: &mut Spanned<DeValue<'i>>| match substitute.take() {
        Some(s) => {
            let is_put = put(inner, span, name, s.clone());
            substitute = (!is_put).then_some(s);
            is_put
        }
        None => false,
    };
    match value.get_mut() {
        DeValue::Table(table) => table.iter_mut().any(|(_, inner)| put_in(inner)),
        DeValue::Array(values) => values.iter_mut().any(put_in),
        _ => false,
    }
}

/// Takes the key or the value at a span out of what holds it.
fn take_out(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => {
            let found = table.iter().find(|(key, inner)| key.span() == *span || inner.span() == *span);
            match found.map(|(key, _)| key.get_ref().to_string()) {
                Some(key) => table.remove(key.as_str()).is_some(),
                None => table.iter_mut().any(|(_, inner)| take_out(inner, span)),
            }
        }
        DeValue::Array(values) => {
            if values.iter().any(|inner| inner.span() == *span) {
                let kept = values.iter().filter(|inner| inner.span() != *span).cloned().collect();
                *values = kept;
                return true;
            }
            values.iter_mut().any(|inner| take_out(inner, span))
        }
        _ => false,
    }
}
