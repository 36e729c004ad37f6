//! Carries out operations on tables of entries: what the stores in memory and in a file have in common.
//!
//! A change is checked against the quota before anything is written, so that a refused one changes nothing.

use std::collections::BTreeMap;

use crate::request::{Answer, Fingerprint, Keys, Operation, PAGE, Quota, Request};
use crate::{StateError, StoreError};

/// What one plugin keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) keys: u64,
    /// Of keys and values.
    pub(crate) bytes: u64,
}

/// The bucket of a plugin.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) bucket: &'a str,
}

/// The entries of all plugins.
pub(crate) trait Tables {
    fn get(&mut self, place: Place<'_>, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The length of a value.
    fn length(&mut self, place: Place<'_>, key: &str) -> Result<Option<u64>, StoreError>;

    fn set(&mut self, place: Place<'_>, key: &str, value: &[u8]) -> Result<(), StoreError>;

    fn delete(&mut self, place: Place<'_>, key: &str) -> Result<(), StoreError>;

    /// At most `most` keys after this one, ascending.
    fn list(
        &mut self,
        place: Place<'_>,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError>;

    fn usage(&mut self, plugin: &str) -> Result<Usage, StoreError>;

    fn set_usage(&mut self, plugin: &str, usage: Usage) -> Result<(), StoreError>;
}

/// Carries out a request.
pub(crate) fn apply<T: Tables>(tables: &mut T, request: &Request) -> Result<Answer, StateError> {
    request.check()?;
    let place = Place { plugin: &request.plugin, bucket: &request.bucket };
    let quota = &request.quota;
    match &request.operation {
        Operation::Get(keys) => get(tables, place, quota, keys),
        Operation::Exists(key) => Ok(Answer::Bool(tables.length(place, key)?.is_some())),
        Operation::Set(entries) => {
            let changes = entries.iter().map(|(key, value)| (&**key, Some(&**value))).collect();
            change(tables, place, quota, &changes)?;
            Ok(Answer::Done)
        }
        Operation::Delete(keys) => {
            let changes = keys.iter().map(|key| (&**key, None)).collect();
            change(tables, place, quota, &changes)?;
            Ok(Answer::Done)
        }
        Operation::Increment { key, delta, range: (least, most) } => {
            let present = tables.get(place, key)?;
            let found = number(present.as_deref())?.saturating_add(*delta);
            if found < *least || found > *most {
                return Err(StateError::Overflow { least: *least, most: *most, found });
            }
            let text = found.to_string();
            quota.check_value(text.as_bytes())?;
            change(tables, place, quota, &BTreeMap::from([(&**key, Some(text.as_bytes()))]))?;
            Ok(Answer::Number(found))
        }
        Operation::Swap { key, expected, value } => {
            let present = tables.get(place, key)?;
            let swaps = present.as_deref().map(Fingerprint::of) == *expected;
            if swaps {
                change(tables, place, quota, &BTreeMap::from([(&**key, Some(&**value))]))?;
            }
            Ok(Answer::Bool(swaps))
        }
        Operation::List(after) => {
            let mut keys = tables.list(place, after.as_deref(), PAGE + 1)?;
            let more = keys.len() > PAGE;
            keys.truncate(PAGE);
            Ok(Answer::Keys(Keys { keys, more }))
        }
    }
}

fn get<T: Tables>(
    tables: &mut T,
    place: Place<'_>,
    quota: &Quota,
    keys: &[String],
) -> Result<Answer, StateError> {
    let mut bytes = 0;
    let mut values = Vec::with_capacity(keys.len());
    for key in keys {
        // Its length first: a value that is too much is not read.
        bytes += tables.length(place, key)?.unwrap_or(0);
        if bytes > quota.answer {
            return Err(StateError::AnswerTooLarge { most: quota.answer });
        }
        values.push(tables.get(place, key)?);
    }
    Ok(Answer::Values(values))
}

/// Sets and deletes keys, if what the plugin keeps then is within its quota, or less than before.
fn change<T: Tables>(
    tables: &mut T,
    place: Place<'_>,
    quota: &Quota,
    changes: &BTreeMap<&str, Option<&[u8]>>,
) -> Result<(), StateError> {
    let before = tables.usage(place.plugin)?;
    let mut after = before;
    for (key, value) in changes {
        let size = |length: u64| key.len() as u64 + length;
        if let Some(length) = tables.length(place, key)? {
            after.keys = after.keys.saturating_sub(1);
            after.bytes = after.bytes.saturating_sub(size(length));
        }
        if let Some(value) = value {
            after.keys += 1;
            after.bytes = after.bytes.saturating_add(size(value.len() as u64));
        }
    }
    // A quota that was lowered below what is kept lets the plugin make room.
    if after.keys > quota.keys && after.keys > before.keys {
        return Err(StateError::TooManyKeys { most: quota.keys, found: after.keys });
    }
    if after.bytes > quota.total && after.bytes > before.bytes {
        return Err(StateError::TooManyBytes { most: quota.total, found: after.bytes });
    }
    for (key, value) in changes {
        match value {
            Some(value) => tables.set(place, key, value)?,
            None => tables.delete(place, key)?,
        }
    }
    if after != before {
        tables.set_usage(place.plugin, after)?;
    }
    Ok(())
}

/// The number that a value is, as decimal text; without a value, zero.
fn number(value: Option<&[u8]>) -> Result<i128, StateError> {
    let Some(value) = value else { return Ok(0) };
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok()).ok_or(StateError::NotANumber { found: value.len() })
}
