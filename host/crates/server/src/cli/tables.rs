//! The tables that `up` prints at its start and `status` prints at any time.

use plugbay::{Rejected, Status, escaped};

use super::print;

/// What runs, what is routed, what is refused and what is being prepared: a table each, if it has rows.
pub(super) fn of(status: &Status) -> Vec<String> {
    let tables = [plugins(status), routes(status), rejected(&status.rejected), preparing(status)];
    tables.into_iter().flatten().collect()
}

/// The running plugins, if there are any.
pub(super) fn plugins(status: &Status) -> Option<String> {
    let rows = status.plugins.iter().map(|plugin| {
        vec![
            plugin.name.clone(),
            plugin.version.clone(),
            plugin.form.to_string(),
            plugin.capabilities.join(" "),
        ]
    });
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| table(&["plugin", "version", "form", "capabilities"], rows))
}

fn routes(status: &Status) -> Option<String> {
    let rows = status.routes.iter().map(|route| {
        let methods =
            if route.methods.is_empty() { "any".to_owned() } else { route.methods.join(" ") };
        let handler = if route.serves {
            route.handler.clone()
        } else {
            format!("{} (missing)", route.handler)
        };
        vec![route.path.clone(), methods, handler]
    });
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| table(&["route", "methods", "handler"], rows))
}

/// The refused files, if there are any.
pub(super) fn rejected(rejected: &[Rejected]) -> Option<String> {
    let rows = rejected.iter().map(|refused| {
        vec![refused.source.clone(), refused.reason.to_string(), refused.message.clone()]
    });
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| table(&["refused", "reason", "message"], rows))
}

fn preparing(status: &Status) -> Option<String> {
    let rows: Vec<_> = status.preparing.iter().map(|source| vec![source.clone()]).collect();
    (!rows.is_empty()).then(|| table(&["preparing"], rows))
}

/// A table in which each row is one line.
fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let one_line = |row: Vec<String>| row.iter().map(|cell| escaped(cell).into_owned()).collect();
    print::table(heads, rows.into_iter().map(one_line).collect())
}
