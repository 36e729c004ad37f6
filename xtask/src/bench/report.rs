//! Writes the rows that were measured, and the machine that they were measured on, to `docs/`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

const BEGIN: &str = "<!-- measured rows: written by cargo xtask bench -->\n";
const END: &str = "<!-- end of measured rows -->\n";

/// Replaces the rows in `docs/benchmarks.md` and `docs/benchmarks.json` by those of the file `measured`,
/// which has a line of JSON for each.
pub(super) fn write(root: &Path, measured: &Path) -> Result<()> {
    let lines = fs::read_to_string(measured).context("expected measured rows")?;
    let rows: Vec<Value> =
        lines.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("a row")?;
    let machine = machine(root);
    let page = root.join("docs").join("benchmarks.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    fs::write(&page, with_rows(&text, &table(&machine, &rows))?)?;
    let all = serde_json::to_string_pretty(&json!({ "machine": machine, "rows": rows }))?;
    fs::write(page.with_extension("json"), all + "\n")?;
    println!("written: docs/benchmarks.md and docs/benchmarks.json");
    Ok(())
}

/// The page with the table between its markers.
fn with_rows(page: &str, table: &str) -> Result<String> {
    let found =
        page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = found.context("docs/benchmarks.md: expected the markers of the rows")?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

fn table(machine: &Value, rows: &[Value]) -> String {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut table = format!(
        "{} · {} cores · {} · commit {}\n\n| | Row | Measured | Half of all between | Budget |\n\
         |---|---|---|---|---|\n",
        text(machine, "cpu"),
        machine["cores"],
        text(machine, "rustc"),
        text(machine, "commit")
    );
    table.extend(rows.iter().map(|row| {
        let mark = if row["met"] == true { "met" } else { "**missed**" };
        let cells = ["name", "measured", "spread", "budget"].map(|key| text(row, key)).join(" | ");
        format!("| {mark} | {cells} |\n")
    }));
    table
}

/// The machine and the toolchain, as far as they are known.
fn machine(root: &Path) -> Value {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let output = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(root).output();
        let output = output.ok().filter(|output| output.status.success());
        output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
    };
    json!({
        "cpu": model.map_or("unknown processor", |(_, model)| model),
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "system": output("uname", &["-sr"]),
        "rustc": output("rustc", &["--version"]),
        "commit": output("git", &["rev-parse", "--short", "HEAD"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_replace_those_between_the_markers() {
        let page = format!("# Title\n\n{BEGIN}old\n{END}\nmore\n");
        let row = json!({
            "name": "a call", "measured": "1.0 ×", "spread": "0.9 to 1.1", "budget": "≤ 2 ×", "met": true,
        });
        let machine = json!({ "cpu": "CPU", "cores": 2, "rustc": "rustc 1", "commit": "abc" });
        let page = with_rows(&page, &table(&machine, &[row])).unwrap();
        assert!(page.starts_with("# Title\n\n<!--") && page.ends_with("-->\n\nmore\n"), "{page}");
        assert!(
            page.contains("| met | a call | 1.0 × | 0.9 to 1.1 | ≤ 2 × |\n")
                && !page.contains("old")
        );
        assert!(with_rows("# Title\n", "").is_err());
    }
}
