//! Records as rows of the tables.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::error::{Failure, FileError};
use crate::store::{Loaded, Record};
use crate::wire::{Endpoint, Sequence};

/// Everything that a file holds.
pub(super) fn load(file: &Path, connection: &Connection) -> Result<Loaded, FileError> {
    let sqlite = |source| FileError::sqlite(file, source);
    let corrupt = |found| FileError::new(file, Failure::Corrupt { found });
    let mut statement =
        connection.prepare("SELECT id, body FROM endpoint ORDER BY id").map_err(sqlite)?;
    let mut rows = statement.query([]).map_err(sqlite)?;
    let mut endpoints = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let id: String = row.get(0).map_err(sqlite)?;
        let body: String = row.get(1).map_err(sqlite)?;
        let endpoint: Endpoint = serde_json::from_str(&body)
            .map_err(|error| corrupt(format!("endpoint {id} cannot be read: {error}")))?;
        if endpoint.id.to_string() != id {
            return Err(corrupt(format!("endpoint {id} is stored as {}", endpoint.id)));
        }
        endpoints.push(endpoint);
    }
    let ceiling = ceiling(connection).map_err(sqlite)?.map(|ceiling| {
        let found = || corrupt(format!("the sequence is at {ceiling}"));
        u64::try_from(ceiling).map(Sequence).map_err(|_| found())
    });
    Ok(Loaded { endpoints, ceiling: ceiling.transpose()? })
}

/// Keeps records in one transaction.
pub(super) fn append(connection: &mut Connection, records: &[Record]) -> rusqlite::Result<()> {
    // Immediate: two writers would otherwise fail half-way instead of waiting for each other.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for record in records {
        match record {
            Record::Put { endpoint } => {
                let body = serde_json::to_string(endpoint)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                let put =
                    "INSERT INTO endpoint VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = ?2";
                transaction.prepare_cached(put)?.execute(params![endpoint.id.to_string(), body])?;
            }
            Record::Remove { id, .. } => {
                let remove = "DELETE FROM endpoint WHERE id = ?1";
                transaction.prepare_cached(remove)?.execute([id.to_string()])?;
            }
            Record::Ceiling { sequence } => set_ceiling(&transaction, sequence.0)?,
        }
    }
    transaction.commit()
}

/// The number below which all may have been given out.
pub(super) fn ceiling(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT ceiling FROM sequence", [], |row| row.get(0)).optional()
}

pub(super) fn set_ceiling(connection: &Connection, ceiling: u64) -> rusqlite::Result<()> {
    let set = "INSERT INTO sequence VALUES (1, ?1) ON CONFLICT DO UPDATE SET ceiling = ?1";
    let ceiling = i64::try_from(ceiling).unwrap_or(i64::MAX);
    connection.prepare_cached(set)?.execute([ceiling]).map(drop)
}
